/** How the state of an asset looks: an icon and a word, never colour alone. */

import {
  Check,
  Circle,
  CircleDashed,
  Clock,
  Eye,
  LoaderCircle,
  type LucideIcon,
  Square,
  TriangleAlert,
  X,
} from "lucide-react";
import { useWords } from "../../app/context";
import type { Cell, Look } from "../../live/board";
import css from "./episode.module.css";

const ICONS: Readonly<Record<Look, LucideIcon>> = {
  nothing: Circle,
  queued: Clock,
  working: CircleDashed,
  review: Eye,
  committing: LoaderCircle,
  done: Check,
  rejected: X,
  failed: TriangleAlert,
  stopped: Square,
};

export function LookBadge({ cell }: { readonly cell: Pick<Cell, "look" | "percent"> }) {
  const words = useWords();
  const Icon = ICONS[cell.look];
  const percent = cell.look === "working" && cell.percent > 0 ? ` ${Math.round(cell.percent)} %` : "";
  return (
    <span className={css.look} data-look={cell.look}>
      <Icon size={14} aria-hidden /> {words.looks[cell.look]}
      {percent}
    </span>
  );
}
