/** What the gateway says about runs, batches, films and imports, in Simplified Chinese. */

import type { Messages } from "./messages";

const KINDS: Readonly<Record<string, string>> = {
  video: "视频",
  "starting image": "起始图",
  image: "图片",
  narration: "旁白",
  music: "音乐",
};

/** The gateway's own names of assets, `Segment 2 starting image`; what people named themselves stays. */
function labels(value: string): string {
  return value
    .replaceAll(
      /\bSegment (\d+) (video|starting image|image|narration)\b/g,
      (_, number: string, kind: string) => `片段 ${number} 的${KINDS[kind]}`,
    )
    .replace(/^Music$/, "音乐")
    .replace(/ and (\d+) more$/, " 等另外 $1 项");
}

function argument(name: string, value: string): string | null {
  switch (name) {
    case "kind":
      return KINDS[value] ?? null;
    case "label":
    case "labels":
    case "expired":
      return labels(value);
    default:
      return null;
  }
}

export const zhHansMessages: Messages = {
  between: "",
  argument,
  texts: {
    "run.queued": "正在等待工作进程",
    "run.started": "正在生成{kind}",
    "run.segment_started": "正在生成片段 {number}/{total}…",
    "run.preparing": "正在准备输入",
    "run.rendering": "正在渲染{kind}",
    "run.provider_waiting": "正在等待 {provider}",
    "run.retrying": "{delay_s} 秒后重试（第 {attempt} 次，共 {attempts} 次）：{cause}",
    "run.provider_limit": "已达到提供商的限额；{delay_s} 秒后再试：{cause}",
    "run.provider_away": "无法连接提供商；{delay_s} 秒后再次查询请求：{cause}",
    "run.waiting_limit": "正在等待提供商的限额：{limit}",
    "run.verifying": "正在检查结果",
    "run.storing": "正在保存新版本",
    "run.committing": "正在提交已通过的版本",
    "run.regenerating": "正在用新参数重新生成…",
    "run.entering": "正在处理你的{kind}",
    "run.reopening": "正在重新打开{kind}以供审核",
    "run.rolling_back": "正在回滚到较早的{kind}",
    "run.regenerating_with_feedback": "正在根据你的反馈重新生成片段 {number}…",
    "run.failed": "{cause} {recovery}",
    "run.cancelled": "已取消",
    "run.expired": "审核期限已过。重新打开预览即可决定，不另收费。",
    "run.no_worker": "还没有工作进程接手此次运行",
    "run.silent_worker": "工作进程自 {since} 起没有响应",
    "preview.video": "视频可供审核",
    "preview.starting_image": "起始图可供审核",
    "preview.image": "图片可供审核",
    "preview.narration": "旁白可供审核",
    "preview.music": "音乐可供审核",
    "preview.segment": "片段 {number} 已完成！可供审核。",
    "preview.new_version": "新版本可供审核！",
    "review.accepted": "片段 {number} 已通过！",
    "review.accepted_asset": "{label}已通过！",
    "review.rejected": "{label}已拒绝",
    "complete.video": "视频重新生成完毕",
    "complete.starting_image": "起始图重新生成完毕",
    "complete.image": "图片重新生成完毕",
    "complete.narration": "旁白重新生成完毕",
    "complete.music": "音乐重新生成完毕",
    "import.queued": "正在等待切分影片",
    "import.scanning": "正在检测场景切换",
    "import.cutting": "正在切分片段 {number}/{total}",
    "import.failed": "{cause}",
    "import.retrying": "{delay_s} 秒后重试（第 {attempt} 次，共 {attempts} 次）：{cause}",
    "batch.started": "开始逐段生成…",
    "batch.total": "片段总数：{total}",
    "batch.all_approved": "全部 {total} 个片段已通过！",
    "batch.finishing": "正在生成缺少的素材",
    "batch.some_approved": "{total} 个片段中已通过 {approved} 个",
    "batch.done": "所有素材均已就绪",
    "batch.ready_to_compile": "可以合成最终视频了吗？",
    "batch.waiting_review": "等待审核",
    "batch.held": "已拒绝：{labels}。请重新生成并通过另一个版本，或跳过该片段。",
    "batch.paused": "已暂停",
    "batch.cancelled": "已取消",
    "batch.failed": "{total} 个片段中有 {failed} 个失败：{labels}",
    "batch.failed_assets": "失败：{labels}。",
    "batch.expired": "已过期：{expired}。重新打开预览即可决定，不另收费。",
    "batch.film_refused": "无法请求影片",
    "compile.queued": "正在等待合成",
    "compile.waiting_conform": "正在等待已提交的片段统一格式",
    "compile.started": "正在合成最终视频…",
    "compile.rendering": "正在渲染转场和声音",
    "compile.joining": "正在写入影片",
    "compile.completed": "最终视频已完成！",
    "compile.signed": "影片已添加内容凭证",
    "compile.unsigned": "影片未能添加内容凭证",
    "compile.failed": "影片无法合成：{cause}",
  },
};
