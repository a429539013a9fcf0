import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const GATEWAY = process.env.RETAKE_GATEWAY ?? "http://127.0.0.1:8080";

/** As in tokens.css. Which of the built files a browser reads first depends on how chunks are cut, so each says it. */
const LAYERS = "@layer tokens,base,ui,contrast;";

const layersInOrder: Plugin = {
  name: "layers-in-order",
  apply: "build",
  enforce: "post",
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type === "asset" && file.fileName.endsWith(".css")) file.source = LAYERS + String(file.source);
    }
  },
};

export default defineConfig({
  plugins: [react(), layersInOrder],
  build: {
    outDir: "../services/gateway/api/studio",
    emptyOutDir: true,
    sourcemap: false,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        // Vendor code in a chunk of its own: its file does not change when only the page does.
        codeSplitting: { groups: [{ name: "vendor", test: /node_modules/ }] },
      },
    },
  },
  server: { proxy: { "/api": GATEWAY } },
  test: {
    pool: "threads",
    testTimeout: 60_000,
    // Only what renders needs a document, which takes longer to make than most tests, and modules of its own, as it
    // replaces some; the other files leave nothing behind and share theirs.
    projects: [
      {
        extends: true,
        test: { name: "logic", environment: "node", isolate: false, include: ["test/**/*.test.ts"] },
      },
      {
        extends: true,
        test: { name: "rendered", environment: "happy-dom", include: ["test/**/*.test.tsx"] },
      },
    ],
  },
});
