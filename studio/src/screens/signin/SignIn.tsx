/** Signing in: as the whole page, over the work of somebody whose sign-in is over, and after the way back. */

import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { Link, useSearch } from "wouter";
import type { SignInConfig } from "../../api/auth";
import { useApp, useWords } from "../../app/context";
import { routes, signInSearch } from "../../app/routes";
import type { Words } from "../../language/words";
import { Button, Dialog, Notice, Skeleton, TextField, ui } from "../../ui/ui";
import css from "./signin.module.css";

/** For a browser in which nobody has signed in yet; it comes back to where it is now. */
export function SignInPage() {
  const words = useWords();
  return (
    <section className={css.page}>
      <h1>{words.signInTo}</h1>
      <SignInWays returnTo={`${location.pathname}${location.search}`} />
    </section>
  );
}

/** What was on the page stays beneath, so the identity provider opens in a tab of its own. */
export function SignInDialog() {
  const words = useWords();
  const { tokens } = useApp();
  useEffect(() => {
    const ask = () => void tokens.retry();
    window.addEventListener("focus", ask);
    return () => window.removeEventListener("focus", ask);
  }, [tokens]);
  return (
    <Dialog title={words.signInOver} onClose={() => {}}>
      <p>{words.signInOverHint}</p>
      <SignInWays returnTo={routes.signIn()} newTab />
    </Dialog>
  );
}

/** The end of the way: signed in, in a tab that was opened for it; or not, and why. */
export function SignInReturn() {
  const words = useWords();
  const { tokens, signIn } = useApp();
  const { refused, returnTo } = signInSearch(useSearch());
  const [asked, setAsked] = useState(refused !== null);
  useEffect(() => {
    if (refused === null) void tokens.retry().finally(() => setAsked(true));
  }, [tokens, refused]);
  if (!asked) return <Skeleton page label={words.loading} lines={4} />;
  if (signIn === "signed-in") {
    return (
      <section className={css.page}>
        <h1>{words.signedIn}</h1>
        <p>{words.signedInHint}</p>
        <Link href={routes.projects()}>{words.projects}</Link>
      </section>
    );
  }
  return (
    <section className={css.page}>
      <h1>{words.signInTo}</h1>
      {refused === null ? null : (
        <Notice tone="bad" assertive>
          {refusal(words, refused)}
        </Notice>
      )}
      <SignInWays returnTo={returnTo} />
    </section>
  );
}

function refusal(words: Words, refused: string): string {
  switch (refused) {
    case "denied":
      return words.signInRefused.denied;
    case "unavailable":
      return words.signInRefused.unavailable;
    case "misconfigured":
      return words.signInRefused.misconfigured;
    default:
      return words.signInRefused.expired;
  }
}

interface Ways {
  /** A path of this page. */
  readonly returnTo: string;
  readonly newTab?: boolean;
}

function SignInWays({ returnTo, newTab = false }: Ways) {
  const words = useWords();
  const { tokens } = useApp();
  const config = useQuery({ queryKey: ["sign-in-config"], queryFn: () => tokens.config() });
  if (config.error) {
    return (
      <>
        <Notice tone="bad">{config.error.message}</Notice>
        <Button onClick={() => void config.refetch()}>{words.tryAgain}</Button>
      </>
    );
  }
  if (!config.data) return <Skeleton label={words.loading} lines={2} />;
  return <Way config={config.data} returnTo={returnTo} newTab={newTab} />;
}

function Way({ config, returnTo, newTab }: Ways & { readonly config: SignInConfig }) {
  const words = useWords();
  switch (config.mode) {
    case "oidc":
      return (
        <a
          className={`${ui.button} ${ui.primary}`}
          href={`${config.login_url}?return_to=${encodeURIComponent(returnTo)}`}
          target={newTab ? "_blank" : undefined}
          rel="noreferrer"
        >
          {words.signInWith(config.name ?? "")}
        </a>
      );
    case "local":
      return <LocalOnly />;
    case "token":
      return <PasteToken />;
  }
}

function LocalOnly() {
  const words = useWords();
  const { tokens } = useApp();
  return (
    <>
      <p>{words.localOnly}</p>
      <Button onClick={() => void tokens.retry()}>{words.tryAgain}</Button>
    </>
  );
}

function PasteToken() {
  const words = useWords();
  const { tokens } = useApp();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget).get("token") ?? "").trim();
    if (token) tokens.paste(token);
  };
  return (
    <form className={ui.stack} onSubmit={submit}>
      <TextField
        label={words.pasteToken}
        hint={words.pasteTokenHint}
        name="token"
        type="password"
        autoComplete="off"
        required
      />
      <Button type="submit" look="primary">
        {words.signIn}
      </Button>
    </form>
  );
}
