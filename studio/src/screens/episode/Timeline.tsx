/** The segments in film order: what each shows, its state, and how to move it. */

import { ArrowLeftRight, GripVertical, Plus } from "lucide-react";
import { type KeyboardEvent, memo, useCallback, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { Problem } from "../../api/problems";
import { useApp, useWords } from "../../app/context";
import { isCommandKey } from "../../app/keys";
import { clock } from "../../language/format";
import type { Cell } from "../../live/board";
import { posterOf } from "../../media/links";
import { passFocus } from "../../ui/focus";
import { Button, classes, Empty, ui } from "../../ui/ui";
import { atLeast } from "../roles";
import { BulkBar } from "./BulkBar";
import { useEpisode, useEpisodeKey } from "./EpisodeContext";
import css from "./episode.module.css";
import { LookBadge } from "./looks";
import { all, extend, inOrder, NONE_SELECTED, type Selection, toggle } from "./selection";
import { moved, useReorder } from "./useReorder";

interface TimelineProps {
  readonly selected: string | null;
  readonly onSelect: (segmentId: string) => void;
}

export function Timeline({ selected, onSelect }: TimelineProps) {
  const words = useWords();
  const { api, announce, did, refused } = useApp();
  const { feed, episodeId, role } = useEpisode();
  const order = useEpisodeKey<readonly string[]>("order") ?? [];
  const mayEdit = atLeast(role, "editor");
  const list = useRef<HTMLOListElement>(null);
  const bulk = useRef<HTMLDivElement>(null);

  const drop = useCallback(
    async (from: number, to: number) => {
      const now = feed.store.get<readonly string[]>("order") ?? [];
      const id = now[from];
      if (from === to || id === undefined) return;
      const neighbour = (within: readonly string[]) => within[within.indexOf(id) - 1] ?? null;
      const [before, after] = [neighbour(now), neighbour(moved(now, from, to))];
      try {
        const { merged } = await feed.place(id, after);
        did({
          label: words.moved(from + 1, to + 1),
          undo: () => feed.place(id, before),
          redo: () => feed.place(id, after),
        });
        if (merged) announce(words.orderMerged);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        if (error.status === 412) announce(words.orderChanged, true);
        else refused(error);
      }
    },
    [feed, did, announce, refused, words],
  );
  const reorder = useReorder({ count: order.length, enabled: mayEdit, list, onDrop: drop });

  const add = async () => {
    try {
      await api.POST("/api/v1/episodes/{episode_id}/segments", {
        params: { path: { episode_id: episodeId }, header: { "Idempotency-Key": crypto.randomUUID() } },
        body: {},
      });
    } catch (error) {
      refused(error);
    }
    feed.refresh({ what: "episode" });
  };

  const [several, setSeveral] = useState<Selection>(NONE_SELECTED);
  const latest = useRef({ order, selected });
  latest.current = { order, selected };
  const choose = useCallback(
    (id: string, how: "one" | "range" | "toggle") => {
      const { order: now, selected: at } = latest.current;
      if (how === "toggle") setSeveral((s) => toggle(s, id));
      else if (how === "range") setSeveral((s) => extend(s, now, at ?? id, id));
      else setSeveral(NONE_SELECTED);
      if (how !== "toggle") onSelect(id);
    },
    [onSelect],
  );

  const onKey = (event: KeyboardEvent) => {
    if (!(event.target instanceof HTMLElement) || !event.target.matches("[data-card]")) return;
    const at = selected === null ? -1 : order.indexOf(selected);
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") setSeveral(all(order));
    else if (event.key === "Escape" && several.ids.size > 0) setSeveral(NONE_SELECTED);
    else if (event.key === "Delete") document.querySelector<HTMLElement>("[data-delete-segment]")?.click();
    else if (event.key.toLowerCase() === "t" && isCommandKey(event.nativeEvent)) openTransition();
    else if (step !== 0) {
      const to = at + step;
      const next = order[to];
      if (next === undefined) return;
      if (event.altKey && event.shiftKey) {
        if (mayEdit) void drop(at, to);
      } else {
        choose(next, event.shiftKey ? "range" : "one");
        const focus = () => list.current?.querySelector<HTMLElement>(`[data-card="${next}"]`)?.focus();
        requestAnimationFrame(focus);
      }
    } else return;
    event.preventDefault();
  };

  if (order.length === 0) {
    return (
      <section aria-label={words.timeline}>
        <Empty title={words.noSegments} hint={words.noSegmentsHint}>
          {mayEdit ? (
            <Button look="primary" onClick={() => void add()}>
              <Plus size={16} aria-hidden /> {words.addSegment}
            </Button>
          ) : null}
        </Empty>
      </section>
    );
  }
  return (
    <section className={css.timeline} aria-label={words.timeline}>
      <div ref={bulk} className={css.several}>
        <BulkBar
          selected={inOrder(several, order)}
          onClear={() => {
            // Whoever is elsewhere when the answer comes stays there.
            const card = list.current?.querySelector("[data-card][tabindex='0']");
            if (bulk.current?.contains(document.activeElement)) passFocus(card);
            setSeveral(NONE_SELECTED);
          }}
        />
      </div>
      <ol ref={list} className={css.cards} onKeyDown={onKey}>
        {order.map((id, index) => (
          <Card
            key={id}
            segmentId={id}
            index={index}
            count={order.length}
            selected={id === selected}
            tabbable={id === selected || (selected === null && index === 0)}
            dragged={reorder.dragged === index}
            shift={reorder.shift(index)}
            handle={mayEdit ? reorder.handle : null}
            chosen={several.ids.has(id)}
            choosing={several.ids.size > 0}
            onChoose={choose}
            onMove={mayEdit ? drop : null}
          />
        ))}
      </ol>
      <div className={css.end}>
        {mayEdit ? (
          <Button onClick={() => void add()}>
            <Plus size={16} aria-hidden /> {words.addSegment}
          </Button>
        ) : null}
        <Total order={order} />
      </div>
    </section>
  );
}

/** The transition after the selected segment, in the inspector. */
function openTransition(): void {
  const field = document.querySelector<HTMLElement>("[data-transition]");
  field?.closest("details")?.setAttribute("open", "");
  field?.focus();
}

function Total({ order }: { readonly order: readonly string[] }) {
  const words = useWords();
  const { feed } = useEpisode();
  const seconds = order.reduce((sum, id) => {
    const segment = feed.store.get<Schemas["Segment"]>(`segment:${id}`);
    return sum + (segment?.duration ?? segment?.target_duration ?? 0);
  }, 0);
  return (
    <p>
      {words.total} {clock(seconds)}
    </p>
  );
}

interface CardProps {
  readonly segmentId: string;
  readonly index: number;
  readonly count: number;
  readonly selected: boolean;
  readonly tabbable: boolean;
  readonly dragged: boolean;
  readonly shift: number;
  readonly handle: ReturnType<typeof useReorder>["handle"] | null;
  /** It is one of several that an action is about. */
  readonly chosen: boolean;
  readonly choosing: boolean;
  readonly onChoose: (segmentId: string, how: "one" | "range" | "toggle") => void;
  readonly onMove: ((from: number, to: number) => void) | null;
}

const Card = memo(function Card(props: CardProps) {
  const { segmentId, index, count, selected, tabbable, dragged, shift, handle, onMove } = props;
  const { chosen, choosing, onChoose } = props;
  const words = useWords();
  const [moving, setMoving] = useState(false);
  const segment = useEpisodeKey<Schemas["Segment"]>(`segment:${segmentId}`);
  const cell = useEpisodeKey<Cell>(segment ? `cell:${segment.assets.video}` : null);
  const image = useEpisodeKey<Schemas["Asset"]>(segment ? `asset:${segment.assets.starting_image}` : null);
  const imageCell = useEpisodeKey<Cell>(segment ? `cell:${segment.assets.starting_image}` : null);
  if (!segment) return null;
  const poster = segment.thumbnail_url ?? image?.committed?.thumbnail_url ?? null;
  const place = segment.scene_info.location ?? segment.scene_info.description ?? "";
  // Before there is a video at all, its picture is what happens.
  const shown = cell?.look === "nothing" && imageCell && imageCell.look !== "done" ? imageCell : cell;
  const duration = segment.duration ?? segment.target_duration ?? 0;
  return (
    <li
      className={classes(css.card, dragged && css.dragged)}
      data-selected={selected || undefined}
      data-chosen={chosen || undefined}
      aria-posinset={index + 1}
      aria-setsize={count}
      style={{ translate: `${shift}px 0` }}
    >
      <button
        type="button"
        className={css.cardButton}
        data-card={segmentId}
        aria-current={selected || undefined}
        tabIndex={tabbable ? 0 : -1}
        onClick={(event) =>
          onChoose(segmentId, event.shiftKey ? "range" : event.ctrlKey || event.metaKey ? "toggle" : "one")
        }
      >
        {poster ? (
          <img
            className={css.poster}
            {...posterOf(poster, 160)}
            alt=""
            loading="lazy"
            width={160}
            height={90}
          />
        ) : (
          <span className={css.poster} />
        )}
        <span className={css.cardTitle} dir="auto">
          <b>{index + 1}</b> {place}
        </span>
        <span className={css.cardFoot}>
          {shown ? (
            <span>
              <span className={shown === cell || shown.look === "nothing" ? ui.hiddenText : undefined}>
                {words[shown.kind]}{" "}
              </span>
              <LookBadge cell={shown} />
            </span>
          ) : null}
          <span>{duration.toFixed(1)} s</span>
        </span>
        {shown?.look === "working" ? (
          <progress className={ui.progress} max={100} value={shown.percent} />
        ) : null}
        {cell?.stale ? <span className={css.stale}>{words.stale}</span> : null}
      </button>
      <label className={css.check} data-shown={choosing || undefined}>
        <input
          type="checkbox"
          checked={chosen}
          aria-label={words.selectSegment(index + 1)}
          onChange={() => onChoose(segmentId, "toggle")}
        />
      </label>
      {handle && onMove ? (
        <div className={css.cardTools}>
          <button
            type="button"
            className={css.handle}
            aria-label={`${words.moveTo} ${index + 1}`}
            data-position={index}
            {...handle}
          >
            <GripVertical size={14} aria-hidden />
          </button>
          {moving ? (
            <select
              aria-label={words.moveTo}
              defaultValue={index}
              // biome-ignore lint/a11y/noAutofocus: it replaces the button that was just pressed
              autoFocus
              onBlur={() => setMoving(false)}
              onChange={(event) => {
                passFocus(event.currentTarget.closest("li")?.querySelector("[data-card]"));
                setMoving(false);
                onMove(index, Number(event.currentTarget.value));
              }}
            >
              {Array.from({ length: count }, (_, n) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: positions are their own identity
                <option key={n} value={n}>
                  {n + 1}
                </option>
              ))}
            </select>
          ) : (
            <Button
              look="quiet"
              className={css.moveButton}
              aria-label={words.moveTo}
              title={words.moveTo}
              onClick={() => setMoving(true)}
            >
              <ArrowLeftRight size={14} aria-hidden />
            </Button>
          )}
        </div>
      ) : null}
    </li>
  );
});
