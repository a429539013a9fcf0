import { expect, test, vi } from "vitest";
import type { Api, Schemas } from "../src/api/client";
import { Problem } from "../src/api/problems";
import { AssetController } from "../src/editing/controller";

const stale = new Problem(412, "stale", "Changed meanwhile.", "", "", [], null, {});

/** An asset at the gateway, whose committed version says "Committed", and an editor of it. */
function opened(directions: string) {
  const kept = { revision: 1, directions };
  const asset = () =>
    ({
      id: "a",
      revision: kept.revision,
      draft: { directions: kept.directions, settings: {} },
      committed: { id: "v1", url: "/v1", directions: "Committed", model: null, settings: {} },
      committed_at: null,
      preview: null,
      active_run_id: null,
      updated_at: null,
    }) as unknown as Schemas["Asset"];
  const api = {
    GET: vi.fn(async () => ({ data: asset() })),
    PUT: vi.fn(
      async (
        _: string,
        sent: { params: { header: { "If-Match": string } }; body: { directions: string } },
      ) => {
        if (sent.params.header["If-Match"] !== `"${kept.revision}"`) throw stale;
        Object.assign(kept, { revision: kept.revision + 1, directions: sent.body.directions });
        return { data: asset() };
      },
    ),
  };
  const editor = new AssetController(
    api as unknown as Api,
    asset(),
    () => {},
    () => {},
  );
  const type = (text: string) => editor.edit({ ...editor.state.draft, directions: text });
  const somebodyElseSaves = (text: string) => {
    Object.assign(kept, { revision: kept.revision + 1, directions: text });
    editor.show(asset()); // the stream told of it
  };
  return { editor, kept, type, somebodyElseSaves };
}

test("what somebody else saved while one was typing is not overwritten unseen", async () => {
  const { editor, kept, type, somebodyElseSaves } = opened("Before");
  type("Mine");
  somebodyElseSaves("Theirs");
  await expect(editor.save()).rejects.toThrow("Changed meanwhile.");
  expect(kept.directions).toBe("Theirs");
  expect(editor.state.draft.directions).toBe("Mine");
  await editor.save(true);
  expect(kept.directions).toBe("Mine");
});

test("a draft that only follows the committed version is nobody's text", async () => {
  const { editor, kept, type, somebodyElseSaves } = opened("Before");
  type("Mine");
  somebodyElseSaves("Committed");
  await editor.save();
  expect(kept.directions).toBe("Mine");
});

test("one saves again and again over one's own", async () => {
  const { editor, kept, type } = opened("Before");
  for (const text of ["One", "Two", "Three"]) {
    type(text);
    await editor.save();
    expect(kept.directions).toBe(text);
  }
  expect(kept.revision).toBe(4);
});
