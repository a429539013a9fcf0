import { describe, expect, it } from "vitest";
import type { Schemas } from "../src/api/client";
import { en } from "../src/language/words";
import { partsOf } from "../src/screens/About";

const RUN = {} as Schemas["PlannedRun"];

function text(estimate: Partial<Schemas["Estimate"]>): string {
  const whole = {
    dry_run: true,
    runs: [],
    cost: [],
    seconds: null,
    missing: [],
    ...estimate,
  } as Schemas["Estimate"];
  return en.about.text(partsOf(whole, en, "en"));
}

describe("what a click would cost", () => {
  it("is said with the number of runs and the time, as far as they are known", () => {
    const cost = [{ amount: "0.42", currency: "USD" }];
    expect(text({ runs: [RUN, RUN, RUN], cost, seconds: 125 })).toBe("About 3 runs, $0.42, 2:05");
    expect(text({ runs: [RUN], cost })).toBe("About $0.42");
    expect(text({ runs: [RUN], cost: [{ amount: "0", currency: "USD" }], seconds: 4 })).toBe(
      "About free of charge, 0:04",
    );
    expect(text({ seconds: 3 })).toBe("About 0:03");
    expect(text({})).toBe("");
    expect(text({ seconds: 0 })).toBe("");
  });
});
