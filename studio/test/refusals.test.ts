import { expect, test } from "vitest";
import { Problem } from "../src/api/problems";
import { againAt, refusalText } from "../src/app/refusals";
import { costText } from "../src/language/format";
import { en } from "../src/language/words";
import { zhHans } from "../src/language/words.zh-Hans";

const problem = (status: number, slug: string, extensions = {}, retryAfterMs: number | null = null) =>
  new Problem(status, slug, "Title.", "Detail.", "Recovery.", [], retryAfterMs, extensions);

test.each([
  [
    problem(402, "spend-cap-reached", { spent: usd("9.50"), cap: { ...usd("10.00"), period: "month" } }),
    ["$9.50", "$10.00 a month", "owner"],
  ],
  [problem(403, "forbidden", { required_role: "editor" }), ["Editor", "owner"]],
  [problem(410, "gone"), ["no longer exists", "Detail."]],
  [problem(410, "link-expired"), ["link has expired"]],
  [problem(412, "stale"), ["Somebody else"]],
  [problem(429, "rate-limited"), ["no more requests"]],
  [problem(503, "unavailable"), ["not ready", "Detail."]],
  [problem(0, "unreachable"), ["does not answer", "nothing you typed is lost"]],
  [problem(409, "already-decided"), ["Detail. Recovery."]],
])("$status is said in words with what to do", (refusal, parts) => {
  const text = refusalText(refusal, en, "en");
  for (const part of parts) expect(text).toContain(part);
  expect(refusalText(refusal, zhHans, "zh-Hans")).not.toBe("");
});

test("each field that is not valid is named", () => {
  const errors = [{ pointer: "/output/width", detail: "Must be even." }];
  const refusal = new Problem(422, "invalid", "Not valid.", "", "Correct it.", errors, null, {});
  expect(refusalText(refusal, en, "en")).toBe("Not valid. Correct it. /output/width: Must be even.");
});

test("only what may succeed later is offered again, at the time that the gateway names", () => {
  expect(againAt(problem(429, "rate-limited", {}, 7000), 1000)).toBe(8000);
  expect(againAt(problem(503, "unavailable"), 1000)).toBe(6000);
  expect(againAt(problem(403, "forbidden"), 1000)).toBeNull();
  expect(againAt(problem(402, "spend-cap-reached"), 1000)).toBeNull();
});

test("a cost that is not known says why, and between what it lies", () => {
  const none = { actual: null, estimated: null };
  expect(costText({ ...none, actual: usd("0.12") }, en, "en")).toBe("$0.12");
  const reason = "The provider did not answer.";
  expect(costText({ ...none, reason }, en, "en")).toBe(`unknown: ${reason}`);
  expect(costText({ ...none, reason, at_least: usd("0.10"), at_most: usd("0.40") }, en, "en")).toBe(
    `unknown: ${reason}; between $0.10 and $0.40`,
  );
  expect(costText({ ...none, reason, at_most: usd("0.40") }, en, "en")).toContain("at most $0.40");
});

function usd(amount: string) {
  return { amount, currency: "USD" };
}
