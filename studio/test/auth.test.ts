import { describe, expect, test } from "vitest";
import { type OtherTabs, type SignIn, Tokens } from "../src/api/auth";

/** A gateway that answers by path, and counts. */
class Gateway {
  asked: string[] = [];
  signedIn = true;
  away = false;
  count = 0;

  fetch = (async (input: Request | string, init?: RequestInit) => {
    const request = input instanceof Request ? input : new Request(`http://gateway${input}`, init);
    const at = `${request.method} ${new URL(request.url).pathname.replace("/api/v1", "")}`;
    this.asked.push(at);
    if (this.away) throw new TypeError("no network");
    if (at === "POST /auth/token" && this.signedIn) {
      this.count += 1;
      return Response.json({ access_token: `t${this.count}`, expires_in: 100 });
    }
    if (at === "DELETE /auth/session") return Response.json({ end_session_url: "https://id.example/out" });
    const given = request.headers.get("Authorization");
    if (given === `Bearer t${this.count}` && this.signedIn) return Response.json({ given });
    return Response.json({ type: "/problems/unauthenticated", status: 401 }, { status: 401 });
  }) as typeof globalThis.fetch;
}

class Tabs implements OtherTabs {
  said: SignIn[] = [];
  onmessage: OtherTabs["onmessage"] = null;
  postMessage(state: SignIn) {
    this.said.push(state);
  }
  hear(data: SignIn) {
    this.onmessage?.({ data } as MessageEvent<SignIn>);
  }
}

function made() {
  const gateway = new Gateway();
  const tabs = new Tabs();
  const states: SignIn[] = [];
  const clock = { now: 0 };
  const tokens = new Tokens(
    gateway.fetch,
    () => clock.now,
    (s) => states.push(s),
    tabs,
  );
  return { gateway, tabs, states, clock, tokens };
}

const call = () => new Request("http://gateway/api/v1/me");

describe("Tokens", () => {
  test("a token is renewed at 80 % of its life, and after a 401", async () => {
    const { gateway, clock, tokens } = made();
    await tokens.send(call());
    clock.now = 79_000;
    await tokens.send(call());
    expect(gateway.count).toBe(1);
    clock.now = 81_000;
    await tokens.send(call());
    expect(gateway.count).toBe(2);
    gateway.count = 3; // the gateway takes t2 no more
    expect((await tokens.send(call())).status).toBe(200);
  });

  test("a sign-in that is over is asked for once, not by every call", async () => {
    const { gateway, states, tokens } = made();
    await tokens.send(call());
    gateway.signedIn = false;
    await expect(tokens.send(call())).rejects.toMatchObject({ status: 401 });
    const asked = gateway.asked.length;
    await expect(tokens.send(call())).rejects.toMatchObject({ status: 401 });
    expect(gateway.asked.length).toBe(asked);
    expect(states.at(-1)).toBe("signed-out");
    gateway.signedIn = true;
    expect(await tokens.retry()).toBe(true);
    expect(states.at(-1)).toBe("signed-in");
    expect((await tokens.send(call())).status).toBe(200);
  });

  test("a gateway that is away signs nobody out", async () => {
    const { gateway, states, tokens } = made();
    gateway.away = true;
    await expect(tokens.send(call())).rejects.toMatchObject({ status: 0 });
    expect(states).toEqual([]);
    gateway.away = false;
    expect((await tokens.send(call())).status).toBe(200);
  });

  test("signing in or out in one tab counts in all", async () => {
    const { gateway, tabs, states, tokens } = made();
    await tokens.send(call());
    expect(tabs.said).toEqual(["signed-in"]);
    tabs.hear("signed-out");
    await expect(tokens.get()).rejects.toMatchObject({ status: 401 });
    tabs.hear("signed-in");
    await expect.poll(() => states.at(-1)).toBe("signed-in");
    expect(await tokens.signOut()).toBe("https://id.example/out");
    expect(tabs.said.at(-1)).toBe("signed-out");
    await expect(tokens.get()).rejects.toMatchObject({ status: 401 });
    expect(gateway.asked.filter((a) => a.startsWith("DELETE"))).toHaveLength(1);
  });

  test("a sign-out that does not reach the gateway leaves the browser signed in", async () => {
    const { gateway, states, tokens } = made();
    await tokens.send(call());
    gateway.away = true;
    await expect(tokens.signOut()).rejects.toMatchObject({ status: 0 });
    expect(states).toEqual(["signed-in"]);
  });
});
