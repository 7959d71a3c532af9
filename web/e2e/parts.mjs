// The parts of a test: servers that answer, lb, traffic, and a browser that may ask nobody else.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
export const LB = process.env.LB_BIN ?? join(root, process.env.CARGO_TARGET_DIR ?? "target", "release/lb");

/** Waits until `look` gives something, and gives it back. */
export async function until(what, look, deadlineMs = 15_000) {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Everything that was started, ended in reverse. */
export class Parts {
  #ends = [];

  add(end) {
    this.#ends.push(end);
  }

  async end() {
    for (const end of this.#ends.reverse()) await end();
  }

  /** Ports of `count` servers in a process of their own, which each take `ms` to answer. */
  async servers(count, ms = 2) {
    const child = spawn(process.execPath, [join(here, "servers.mjs"), String(count), String(ms)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.add(() => stopped(child));
    const ports = JSON.parse(await line(child.stdout, /^(\[.*\])$/));
    return { child, ports };
  }

  /** lb before these ports. Its own ports are free ones unless they are given. */
  async lb(ports, args = [], { listen = 0, admin = 0, seed = "" } = {}) {
    const child = spawn(
      LB,
      [...(ports.length > 0 ? ["--backends", ports.map((port) => `127.0.0.1:${port}`).join(",")] : []),
        "--listen", `127.0.0.1:${listen}`, "--admin", `127.0.0.1:${admin}`, "--access-log", "off", ...args],
      { stdio: ["ignore", "inherit", "pipe"] },
    );
    this.add(() => stopped(child));
    const said = new Lines(child.stderr);
    const address = await said.find(/listens on 127\.0\.0\.1:(\d+)/);
    const adminPort = await said.find(/admin interface on http:\/\/127\.0\.0\.1:(\d+)/);
    return { child, port: Number(address), admin: Number(adminPort), seed };
  }

  /** `perSecond` requests a second to a port until it is stopped. */
  traffic(port, perSecond) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
    const counts = { sent: 0, good: 0, bad: 0 };
    const began = Date.now();
    const timer = setInterval(() => {
      const due = ((Date.now() - began) / 1e3) * perSecond;
      // What the machine could not send in time is left out: it is no burst.
      if (due - counts.sent > perSecond / 5) counts.sent = Math.floor(due - perSecond / 5);
      for (; counts.sent < due; counts.sent++) one();
    }, 5);
    const one = () => {
      http
        .get({ port, host: "127.0.0.1", path: "/", agent }, (response) => {
          response.resume();
          response.on("end", () => (response.statusCode === 200 ? counts.good++ : counts.bad++));
        })
        .on("error", () => counts.bad++);
    };
    const stop = () => {
      clearInterval(timer);
      agent.destroy();
    };
    this.add(stop);
    return { counts, stop };
  }

  /** A browser with a profile of its own. */
  async browser(options = {}) {
    const profile = mkdtempSync(join(tmpdir(), "lb-e2e-"));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      headless: true,
      viewport: { width: 1360, height: 900 },
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync"],
      ...options,
    });
    this.add(async () => {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    });
    return context;
  }
}

/** The lines a process writes, kept from its start. */
export class Lines {
  #text = "";

  /** All that was written. */
  get text() {
    return this.#text;
  }

  #waiting = new Set();

  constructor(stream) {
    stream.setEncoding("utf8");
    stream.on("data", (chunk) => {
      this.#text += chunk;
      for (const look of this.#waiting) look();
    });
    stream.on("close", () => {
      this.isClosed = true;
      for (const look of this.#waiting) look();
    });
  }

  find(pattern) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = this.#text.match(pattern);
        if (!found && !this.isClosed) return;
        this.#waiting.delete(look);
        if (found) resolve(found[1]);
        else reject(new Error(`it has ended, and said: ${this.#text}`));
      };
      this.#waiting.add(look);
      look();
    });
  }
}

function line(stream, pattern) {
  return new Lines(stream).find(new RegExp(pattern, "m"));
}

export async function stopped(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}

/** A page that notes what it must not do: errors, and requests to others. */
export async function open(context, url) {
  const page = await context.newPage();
  const faults = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(String(error)));
  const origin = new URL(url).origin;
  page.on("request", (request) => {
    const to = request.url();
    if (!to.startsWith("data:") && new URL(to).origin !== origin) faults.push(`asks ${to}`);
  });
  await page.goto(url);
  return { page, faults };
}
