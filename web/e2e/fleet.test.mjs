// The pages of the controller and of an agent in a real browser, before real ones. Each test has a
// fleet of its own.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, seriousFindings, shot } from "./checks.mjs";
import { announced, Fleet, freePorts, web } from "./fleet_parts.mjs";
import { open, until } from "./parts.mjs";

const card = (page, id) => page.locator(`[data-server="${id}"]`);
const figure = async (page, name) => Number(await page.locator(`[data-figure="${name}"]`).first().innerText());

/** lb without backends of its own, and a fleet that fills its pool. */
async function behindLb(parts, services, own) {
  const lb = await parts.lb([], ["--health", "http"]);
  const fleet = await Fleet.start(parts, services, own, lb);
  return { lb, fleet };
}

check("shows a fleet in both themes and on a phone, and asks nobody else", async (parts) => {
  const first = await freePorts(12);
  const { lb, fleet } = await behindLb(parts, web(first, "min = 1, desired = 3, max = 5"));
  await fleet.serving(3);
  parts.traffic(lb.port, 60);
  const { page, faults } = await open(await parts.browser(), fleet.url);
  await page.getByText("live", { exact: true }).waitFor();
  await until("all are shown", async () => (await page.locator("[data-server]").count()) === 3);
  await until("all have a load", async () =>
    (await page.getByText("no load").count()) === 0, 20_000);
  await page.getByRole("button", { name: "Why 3?" }).click();
  await page.getByText(/so 3 are wanted/).waitFor();
  for (const theme of ["light", "dark"]) {
    await page.getByLabel("Theme").selectOption(theme);
    assert.deepEqual(await seriousFindings(page), [], theme);
    await shot(page, `fleet-${theme}`);
  }
  await page.getByRole("button", { name: "6 h" }).click();
  await page.getByRole("img", { name: /over the last six hours/ }).first().waitFor();
  await page.setViewportSize({ width: 390, height: 844 });
  const isWide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  await until("nothing is wider than a phone", async () => !(await isWide()));
  assert.deepEqual(await seriousFindings(page), [], "phone");
  await shot(page, "fleet-phone");
  assert.deepEqual(faults, []);
});

check("a death is seen within 2 s, and the server comes back", async (parts) => {
  const first = await freePorts(12);
  const { lb, fleet } = await behindLb(parts, web(first, "min = 1, desired = 3, max = 5"));
  await fleet.serving(3);
  const { counts } = parts.traffic(lb.port, 60);
  const { page, faults } = await open(await parts.browser(), fleet.url);
  const { servers } = await fleet.get("/v1/servers");
  const { id, token } = servers[0];
  await until("it is shown", async () => /serving/.test(await card(page, id).innerText()));
  // Watched in the page, so that the time is not that of the test.
  const began = await page.evaluate((server) => {
    const look = () => {
      const text = document.querySelector(`[data-server="${server}"]`)?.textContent ?? "";
      if (text.includes("1 death")) globalThis.seenAt = performance.now();
      else requestAnimationFrame(look);
    };
    look();
    return performance.now();
  }, id);
  process.kill(fleet.pid(token), "SIGKILL");
  const seenAt = await until("it is seen", () => page.evaluate(() => globalThis.seenAt));
  const ms = seenAt - began;
  console.log(`# seen after ${ms.toFixed(0)} ms`);
  assert.ok(ms < 2_000, `${ms} ms`);
  await page.getByLabel("Timeline, newest first").getByText(/killed by signal 9/).first().waitFor();
  await until("it is back", async () => /serving[^]*start 2/.test(await card(page, id).innerText()), 20_000);
  assert.equal(counts.bad, 0, "no request was lost");
  assert.deepEqual(faults, []);
});

check("creates, scales, deletes after a drain, pauses, and releases from quarantine", async (parts) => {
  const [first, other] = [await freePorts(12), await freePorts(2)];
  const bad = `[service.bad]
command = ["/bin/sh", "-c", "echo it never does; exit 1", "{port}"]
ports = "${other}-${other + 1}"
check = "/ping"
servers = { min = 1, desired = 1, max = 1 }
scale = { policy = "fixed" }
`;
  const scale = 'scale = { policy = "fixed" }\ndrain_timeout = 20';
  const services = web(first, "min = 1, desired = 2, max = 4", scale) + bad;
  const { lb, fleet } = await behindLb(parts, services);
  await fleet.serving(2);
  const { counts } = parts.traffic(lb.port, 60);
  const { page, faults } = await open(await parts.browser(), fleet.url);
  const service = page.getByRole("region", { name: "Service web" });
  const serving = (count) =>
    until(`${count} serve`, async () => (await service.locator("[data-figure=serving]").innerText()) === String(count), 30_000);
  await serving(2);
  await service.getByRole("button", { name: "Create a server" }).click();
  await page.getByText("web wants 3 servers").first().waitFor();
  await serving(3);
  await service.getByRole("button", { name: "One more of web" }).click();
  await serving(4);
  // At the most: no more can be asked for.
  assert.ok(await service.getByRole("button", { name: "Create a server" }).isDisabled());
  await service.getByLabel("Wanted servers of web").fill("3");
  await service.getByRole("button", { name: "Scale to 3" }).click();
  await serving(3);
  await until("three are left", async () => (await service.locator("[data-server]").count()) === 3, 30_000);
  const id = await service.locator("[data-server]").first().getAttribute("data-server");
  await card(page, id).getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByText(/then wants 2 servers instead of 3/).waitFor();
  assert.deepEqual(await seriousFindings(page), []);
  await shot(page, "fleet-delete");
  await page.getByRole("button", { name: "Drain, then delete" }).click();
  await page.getByText(/leaves after a drain/).first().waitFor();
  await card(page, id).waitFor({ state: "detached", timeout: 30_000 });
  await serving(2);
  assert.equal(counts.bad, 0, "no request was lost");
  await service.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("region", { name: "Holds" }).getByText(/paused on the page/).waitFor();
  await shot(page, "fleet-holds");
  assert.deepEqual(await seriousFindings(page), []);
  await page.getByRole("region", { name: "Holds" }).getByRole("button", { name: "Resume" }).click();
  await page.getByRole("region", { name: "Holds" }).getByText(/paused on the page/).waitFor({ state: "detached" });
  // What never starts is quarantined by now, or soon.
  const broken = page.getByRole("region", { name: "Service bad" });
  await broken.getByText("quarantined", { exact: true }).waitFor({ timeout: 45_000 });
  await broken.getByRole("button", { name: "Log" }).click();
  await page.getByRole("dialog").getByText(/never does/).waitFor();
  assert.deepEqual(await seriousFindings(page), []);
  await page.getByRole("button", { name: "Close" }).click();
  await broken.getByRole("button", { name: "Release" }).click();
  await page.getByText(/is started again/).first().waitFor();
  // A specification that lets most go is refused, with the reason.
  fleet.write(web(first, "min = 0, desired = 0, max = 0", scale) + bad);
  await page.getByRole("button", { name: "Apply fleet.toml" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Apply" }).click();
  await page.getByText(/service web would go from 2 servers to 0/).first().waitFor();
  await page.getByRole("button", { name: "Apply with force" }).waitFor();
  const refusals = faults.filter((text) => !/422/.test(text));
  assert.deepEqual(refusals, []);
});

check("the slider of an agent moves its load, and the fleet grows", async (parts) => {
  const first = await freePorts(12);
  const compat = `127.0.0.1:${await freePorts(1)}`;
  const agentPort = await freePorts(1);
  const own = `compat_listen = "${compat}"\ncompat_agent_port = ${agentPort}`;
  const fleet = await Fleet.start(parts, announced(first, compat, agentPort), own);
  await fleet.serving(1);
  const context = await parts.browser();
  const { page, faults } = await open(context, fleet.url);
  assert.equal(await figure(page, "want"), 1);
  const { page: agent, faults: agentFaults } = await open(context, `http://127.0.4.1:${agentPort}/`);
  await agent.getByText("live", { exact: true }).waitFor();
  await agent.getByText(/accepts/).waitFor();
  assert.deepEqual(await seriousFindings(agent), []);
  await agent.getByLabel("Set by hand, in percent").fill("90");
  await agent.locator("output").getByText("90 %").waitFor();
  await shot(agent, "agent");
  const load = page.getByRole("meter", { name: "load" }).first();
  await until("the load is read", async () => (await load.getAttribute("aria-valuenow")) === "90", 20_000);
  await until("the fleet grows", async () => (await figure(page, "serving")) >= 2, 40_000);
  await shot(page, "fleet-grown");
  await page.getByRole("button", { name: /^Why/ }).click();
  await page.getByText(/0\.9|90/).first().waitFor();
  // By keys too, as a slider is moved without a mouse.
  await agent.bringToFront();
  await agent.getByLabel("Set by hand, in percent").focus();
  await agent.keyboard.press("Home");
  await agent.locator("output").getByText("0 %", { exact: true }).waitFor();
  await agent.getByRole("button", { name: "Measured" }).click();
  await until("it is measured", async () =>
    (await agent.getByRole("button", { name: "Measured" }).getAttribute("aria-pressed")) === "true");
  assert.deepEqual([...faults, ...agentFaults], []);
});

check("asks for a token where the controller does, and survives its restart", async (parts) => {
  const first = await freePorts(12);
  const folder = mkdtempSync(join(tmpdir(), "lb-e2e-"));
  parts.add(() => rmSync(folder, { recursive: true }));
  const token = "a-token-of-some-length";
  writeFileSync(join(folder, "token"), `${token}\n`);
  const own = `token_file = "${join(folder, "token")}"`;
  const services = web(first, "min = 1, desired = 1, max = 2").replace('pool = "default"\n', "");
  const fleet = await Fleet.start(parts, services, own);
  const context = await parts.browser();
  const page = await context.newPage();
  await page.goto(fleet.url);
  await page.getByLabel("Token").fill("not-this-one-at-all");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText(/a token is needed/).waitFor();
  assert.deepEqual(await seriousFindings(page), []);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("article", { name: /^web-/ }).waitFor();
  await page.getByText("serving", { exact: true }).first().waitFor({ timeout: 30_000 });
  await fleet.kill();
  await page.getByText(/trying again/).waitFor();
  await fleet.run();
  await page.getByText("live", { exact: true }).waitFor();
  await page.getByText(/term 2/).waitFor();
  await page.getByRole("region", { name: "Holds" }).getByText("observing").waitFor();
});
