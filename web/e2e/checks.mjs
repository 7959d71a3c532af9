// What the tests of all pages share.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { Parts } from "./parts.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Where screenshots go, if they are wanted. */
const SHOTS = process.env.SHOTS;

/** A test with parts of its own, which are ended behind it. */
export function check(name, run) {
  test(name, { timeout: 120_000 }, async () => {
    const parts = new Parts();
    try {
      await run(parts);
    } finally {
      await parts.end();
    }
  });
}

/** What makes a page hard to use for some. */
export async function seriousFindings(page) {
  // The policy of the page allows no script but its own; this one goes in by the debugger.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
}

export async function shot(page, name) {
  if (SHOTS) await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true });
}
