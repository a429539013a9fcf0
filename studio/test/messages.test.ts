import { describe, expect, it } from "vitest";
import catalogue from "../../shared/contracts/messages.json";
import { said } from "../src/language/messages";
import { zhHansMessages } from "../src/language/messages.zh-Hans";

function of(message_code: string, message_args: Record<string, unknown> = {}, message = "in English") {
  return { message, message_code, message_args };
}

describe("messages", () => {
  it("are said in English as the gateway has put them", () => {
    expect(said(of("run.queued"), "en")).toBe("in English");
    expect(said({ message: null }, "en")).toBe("");
  });

  it("are said in Chinese by their code, kinds and names of assets too", () => {
    expect(said(of("run.rendering", { kind: "starting image" }), "zh-Hans")).toBe("正在渲染起始图");
    expect(said(of("review.rejected", { label: "Segment 3 narration" }), "zh-Hans")).toBe(
      "片段 3 的旁白已拒绝",
    );
    expect(said(of("review.rejected", { label: "Poster" }), "zh-Hans")).toBe("Poster已拒绝");
    const labels = "Segment 1 video, Segment 2 starting image and 3 more";
    expect(said(of("batch.failed_assets", { labels }), "zh-Hans")).toBe(
      "失败：片段 1 的视频, 片段 2 的起始图 等另外 3 项。",
    );
  });

  it("of several codes are several sentences", () => {
    const both = of("batch.all_approved+batch.ready_to_compile", { approved: 2, total: 2 });
    expect(said(both, "zh-Hans")).toBe("全部 2 个片段已通过！可以合成最终视频了吗？");
  });

  it("stay English where a code is not known, and show what is missing", () => {
    expect(said(of("run.queued+run.of_tomorrow"), "zh-Hans")).toBe("in English");
    expect(said({ message: "old gateway" }, "zh-Hans")).toBe("old gateway");
    expect(said(of("run.segment_started", { number: 1 }), "zh-Hans")).toBe("正在生成片段 1/……");
  });

  it("take the same arguments in every language", () => {
    const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();
    const english: Readonly<Record<string, string>> = catalogue;
    for (const [code, text] of Object.entries(zhHansMessages.texts)) {
      expect([code, names(text)]).toEqual([code, names(english[code] ?? "")]);
    }
  });
});
