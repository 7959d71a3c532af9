import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Names without hashes: lb serves each file with a tag of its content, so a browser asks whether
// its copy is still the same, and the committed build differs only where the sources do.
export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    modulePreload: false,
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    sourcemap: false,
    rollupOptions: {
      output: {
        entryFileNames: "app.js",
        assetFileNames: "app.[ext]",
        codeSplitting: false,
      },
    },
  },
  test: { include: ["src/**/*.test.ts"] },
  server: { proxy: { "/v1": "http://127.0.0.1:9090" } },
});
