/** A refusal where it happened: what is wrong, what to do, and when it is tried again. */

import { useMemo } from "react";
import { Link, useLocation } from "wouter";
import { Problem } from "../api/problems";
import { Countdown } from "../ui/Countdown";
import { Button, Notice } from "../ui/ui";
import { useApp } from "./context";
import { againAt, refusalText } from "./refusals";
import { routes } from "./routes";

export function Refused({
  error,
  onAgain,
  automatic = false,
  assertive = false,
}: {
  readonly error: Error;
  /** Sends the same request again. */
  readonly onAgain?: (() => unknown) | undefined;
  /** It is sent again by itself once that makes sense. Only for what reads. */
  readonly automatic?: boolean;
  /** It refused an action of one's own. */
  readonly assertive?: boolean;
}) {
  const { words, language } = useApp();
  const [location] = useLocation();
  const until = useMemo(() => (error instanceof Problem ? againAt(error) : null), [error]);
  const project = /^\/p\/([^/]+)/.exec(location)?.[1];
  const text = error instanceof Problem ? refusalText(error, words, language) : error.message;
  return (
    <Notice tone={until === null ? "bad" : "warn"} assertive={assertive}>
      <span dir="auto">{text}</span>
      {until !== null && onAgain ? (
        <Countdown
          key={until}
          until={until}
          text={automatic ? words.retryIn : words.againIn}
          onEnd={automatic ? () => void onAgain() : undefined}
        />
      ) : null}
      {until !== null && onAgain ? <Button onClick={() => void onAgain()}>{words.tryAgain}</Button> : null}
      {error instanceof Problem && error.status === 402 && project ? (
        <Link href={routes.settings(project, "spend")}>{words.settingsTabs.spend}</Link>
      ) : null}
    </Notice>
  );
}
