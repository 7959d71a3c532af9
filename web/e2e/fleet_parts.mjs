// A fleet for a test: lb, the controller before it, and all that it starts, ended with the test.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Lines, stopped, until } from "./parts.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bins = resolve(
  process.env.LB_CONTROLLER_BINS ?? join(root, process.env.CARGO_TARGET_DIR ?? "target", "debug"),
);
const program = (name) => join(bins, name);

/** The first of `count` ports that are free now, at all addresses. */
export async function freePorts(count) {
  for (;;) {
    const first = await listenable(0);
    if (first + count > 65_535) continue;
    let isFree = true;
    for (let port = first; port < first + count && isFree; port++) {
      isFree = (await listenable(port)) === port;
    }
    if (isFree) return first;
  }
}

function listenable(port) {
  return new Promise((done) => {
    const server = net.createServer();
    server.on("error", () => done(-1));
    server.listen(port, "0.0.0.0", () => {
      const found = server.address().port;
      server.close(() => done(found));
    });
  });
}

/** A service of Pi servers in a pool of lb. */
export function web(first, servers, more = "") {
  return `[service.web]
command = ["${program("pi-backend")}", "--port", "{port}", "--term-us", "100"]
ports = "${first}-${first + 11}"
check = "/ping"
pool = "default"
servers = { ${servers} }
${more}
`;
}

/** A service that registers by onConnect, each server at an address of its own, with a slider. */
export function announced(first, compat, agentPort) {
  const host = `127.0.4.$(({port} - ${first} + 1))`;
  const script =
    `exec ${program("lb-agent")} --compat-listen ${host}:${agentPort} --announce ${compat} ` +
    `--load slider -- ${program("pi-backend")} --host ${host} --port {port}`;
  return `[service.old]
command = ["/bin/sh", "-c", "${script}"]
ports = "${first}-${first + 11}"
check = "announced"
servers = { min = 1, desired = 1, max = 3 }
scale = { policy = "mean-load", threshold = 0.6 }
`;
}

/** A controller with its folder. */
export class Fleet {
  #parts;
  #child;

  constructor(parts) {
    this.#parts = parts;
    this.folder = mkdtempSync(join(tmpdir(), "lb-e2e-fleet-"));
    parts.add(() => this.#end());
  }

  /** Writes the specification and starts the controller. */
  static async start(parts, services, own = "", lb = null) {
    const fleet = new Fleet(parts);
    fleet.port = await freePorts(1);
    const lbs = lb === null ? "" : `lbs = ["http://127.0.0.1:${lb.admin}"]`;
    const head = `[controller]\nlisten = "127.0.0.1:${fleet.port}"\n${lbs}\n${own}\n`;
    fleet.write = (text) => writeFileSync(join(fleet.folder, "fleet.toml"), head + text);
    fleet.write(services);
    await fleet.run();
    return fleet;
  }

  get url() {
    return `http://127.0.0.1:${this.port}/`;
  }

  async run() {
    const child = spawn(program("lb-controller"), ["run", join(this.folder, "fleet.toml")], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const log = new Lines(child.stderr);
    this.log = () => log.text;
    await new Lines(child.stdout).find(/(leads fleet)/).catch((error) => {
      throw new Error(`${error}\n${log.text}`);
    });
  }

  async kill() {
    await stopped(this.#child);
  }

  async get(path) {
    return (await fetch(`http://127.0.0.1:${this.port}${path}`)).json();
  }

  /** Waits until so many of all services serve. */
  async serving(count) {
    await until(
      `${count} serve`,
      async () => {
        const { servers } = await this.get("/v1/servers");
        return servers.filter(({ state }) => state === "serving").length === count;
      },
      40_000,
    ).catch((error) => {
      throw new Error(`${error}\n${this.log()}`);
    });
  }

  /** The process of a server, or of its agent. */
  pid(token, file = "server.json") {
    const path = join(this.folder, "fleet-state/run", token, file);
    if (!existsSync(path)) return null;
    const told = JSON.parse(readFileSync(path, "utf8"));
    return told.process?.pid ?? told.pid ?? null;
  }

  /** Agents end their servers; what is left of these is ended too. */
  async #end() {
    await this.kill();
    const run = join(this.folder, "fleet-state/run");
    mkdirSync(run, { recursive: true });
    const tokens = readdirSync(run);
    for (const [file, signal] of [["agent.json", "SIGTERM"], ["server.json", "SIGTERM"]]) {
      for (const token of tokens) end(this.pid(token, file), signal);
    }
    const isLeft = () => tokens.some((token) => isAlive(this.pid(token)) || isAlive(this.pid(token, "agent.json")));
    await until("all have ended", () => !isLeft(), 10_000).catch(() => {
      for (const token of tokens) end(this.pid(token), "SIGKILL");
    });
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function end(pid, signal) {
  try {
    if (pid !== null) process.kill(pid, signal);
  } catch {
    // It has ended already.
  }
}

function isAlive(pid) {
  try {
    if (pid === null) return false;
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0] !== "Z";
  } catch {
    return false;
  }
}
