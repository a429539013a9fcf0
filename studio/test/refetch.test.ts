import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Problem } from "../src/api/problems";
import type { Refetch } from "../src/live/board";
import { Refetcher } from "../src/live/refetch";

const ASSET: Refetch = { what: "asset", id: "a1" };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function problem(status: number, retryAfterMs: number | null = null): Problem {
  return new Problem(status, "", "no", "", "", [], retryAfterMs, {});
}

test("several causes are one refetch, after the last of them has been quiet", async () => {
  const fetch = vi.fn(async () => {});
  const refetcher = new Refetcher(fetch);
  refetcher.add([ASSET]);
  await vi.advanceTimersByTimeAsync(100);
  refetcher.add([ASSET]);
  await vi.advanceTimersByTimeAsync(100);
  expect(fetch).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(50);
  expect(fetch).toHaveBeenCalledTimes(1);
});

test("what the gateway could not answer is asked again when it said", async () => {
  const fetch = vi.fn<(refetch: Refetch) => Promise<void>>().mockResolvedValue();
  fetch.mockRejectedValueOnce(problem(429, 5_000));
  new Refetcher(fetch).add([ASSET]);
  await vi.advanceTimersByTimeAsync(5_100);
  expect(fetch).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(100);
  expect(fetch).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fetch).toHaveBeenCalledTimes(2);
});

test("without a word from it the waits grow", async () => {
  const fetch = vi.fn(async () => {
    throw problem(0);
  });
  new Refetcher(fetch).add([ASSET]);
  await vi.advanceTimersByTimeAsync(150 + 1_000 + 2_000 + 4_000);
  expect(fetch).toHaveBeenCalledTimes(4);
});

test("a refusal is not repeated, and a closed refetcher asks nothing", async () => {
  const fetch = vi.fn(async () => {
    throw problem(404);
  });
  const refetcher = new Refetcher(fetch);
  refetcher.add([ASSET]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fetch).toHaveBeenCalledTimes(1);
  refetcher.add([ASSET]);
  refetcher.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(fetch).toHaveBeenCalledTimes(1);
});
