import { describe, expect, it } from "vitest";
import { reconcile } from "../src/screens/settings/reconcile";

const READ = {
  style: "Film noir",
  output: { width: 1280, height: 720, fps: 24, fit: "blur" },
  spend_cap: { amount: "10.00", currency: "USD", period: "month" },
  characters: [{ name: "Mia", description: "red coat", upload_ids: [] }],
  video: { model: "camera", duration: 5 },
};

describe("settings that somebody else saved meanwhile", () => {
  it("are merged where each changed something else", () => {
    const mine = { style: "Film noir", output: { width: 640, height: 360, fps: 24, fit: "blur" } };
    const now = { ...READ, style: "写实电影感", output: { ...READ.output, fps: 30 } };
    expect(reconcile(mine, READ, now)).toEqual({
      changes: { output: { width: 640, height: 360 } }, // neither their style nor their rate is sent back
      differences: [],
    });
  });

  it("are asked for where both changed the same to something else", () => {
    const mine = { style: "Mine", output: { ...READ.output, fps: 60 } };
    const now = { ...READ, style: "Theirs", output: { ...READ.output, fps: 30 } };
    const found = reconcile(mine, READ, now);
    expect(found.differences).toEqual([
      { path: ["style"], mine: "Mine", theirs: "Theirs" },
      { path: ["output", "fps"], mine: "60", theirs: "30" },
    ]);
    expect(found.changes).toEqual({ style: "Mine", output: { fps: 60 } });
  });

  it("are the same change where both made it", () => {
    const mine = { style: "Same", video: { duration: null } };
    const now = { ...READ, style: "Same", video: { model: "camera" } };
    expect(reconcile(mine, READ, now).differences).toEqual([]);
  });

  it("keep a cap and a list whole", () => {
    const cap = { amount: "20.00", currency: "USD", period: "month" };
    const characters = [...READ.characters, { name: "Tom", description: null, upload_ids: [] }];
    const now = { ...READ, spend_cap: null, characters: [] };
    const found = reconcile({ spend_cap: cap, characters }, READ, now);
    expect(found.changes).toEqual({ spend_cap: cap, characters });
    expect(found.differences).toEqual([
      { path: ["spend_cap"], mine: "20.00 USD month", theirs: "" },
      { path: ["characters"], mine: "Mia red coat; Tom", theirs: "" },
    ]);
  });
});
