import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** The pages: what each is made of, where it is built to, and what answers it while it is written. */
const PAGES = {
  lb: { html: "index.html", to: "dist", server: "http://127.0.0.1:9090" },
  fleet: { html: "fleet.html", to: "../controller/pages/fleet", server: "http://127.0.0.1:9091" },
  agent: { html: "agent.html", to: "../controller/pages/agent", server: "http://127.0.0.1:8081" },
} as const;

/** A page is at `/` wherever it is served. */
function atRoot(html: string): Plugin {
  return {
    name: "at-root",
    enforce: "post",
    generateBundle(_, bundle) {
      const page = bundle[html];
      if (page) page.fileName = "index.html";
    },
  };
}

// `--mode` names the page. File names are without hashes: each file is served with a tag of its
// content, so a browser asks whether its copy is still the same, and the committed build differs
// only where the sources do.
export default defineConfig(({ mode }) => {
  const page = mode in PAGES ? PAGES[mode as keyof typeof PAGES] : PAGES.lb;
  return {
    plugins: [react(), atRoot(page.html)],
    build: {
      outDir: page.to,
      emptyOutDir: true,
      target: "es2022",
      modulePreload: false,
      assetsInlineLimit: 0,
      cssCodeSplit: false,
      sourcemap: false,
      rollupOptions: {
        input: page.html,
        output: {
          entryFileNames: "app.js",
          assetFileNames: "app.[ext]",
          codeSplitting: false,
        },
      },
    },
    test: { include: ["src/**/*.test.ts"] },
    server: { proxy: { "/v1": page.server, "/load": page.server } },
  };
});
