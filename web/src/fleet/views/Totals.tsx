import { Spark } from "../../shared/Spark";
import { Tile } from "../../shared/Tile";
import { count, percent } from "../../shared/format";
import { IN_FLIGHT, isSuspect, isUnwell, LOAD, meanLoad, type Model, SERVING } from "../model";

const COMING = ["planned", "launching", "starting", "registering", "warming"];

/** The figures of the whole fleet. */
export function Totals({ model }: { model: Model }) {
  const servers = model.servers();
  const load = meanLoad(servers);
  const serving = servers.filter(({ about }) => about.state === "serving").length;
  const want = model.services.reduce((sum, service) => sum + service.want, 0);
  const coming = servers.filter(({ about }) => COMING.includes(about.state)).length;
  const unwell = servers.filter(isUnwell).length;
  const suspects = servers.filter((it) => isSuspect(it) && !isUnwell(it)).length;
  const inFlight = servers.reduce((sum, server) => sum + server.inFlight, 0);
  const reached = model.lbs.filter((lb) => lb.is_reachable).length;
  const { totals } = model;
  return (
    <section className="totals" aria-label="Totals">
      <Tile label="Serving" value={count(serving)} unit={`of ${count(want)} wanted`}>
        <Spark values={totals.values(SERVING)} tick={model.now} label="serving, last minute" />
      </Tile>
      <Tile label="Mean load" value={load === null ? "–" : percent(load)}>
        <Spark values={totals.values(LOAD)} tick={model.now} label="mean load, last minute" tone="--accent2" />
      </Tile>
      <Tile label="In flight" value={count(inFlight)}>
        <Spark values={totals.values(IN_FLIGHT)} tick={model.now} label="in flight, last minute" />
      </Tile>
      <Tile
        label="On the way"
        value={count(coming)}
        note={coming > 0 ? "planned, starting or warming" : "nothing is starting"}
      />
      <Tile
        label="Unwell"
        value={count(unwell)}
        isBad={unwell > 0}
        note={suspects > 0 ? `${count(suspects)} more suspect` : "nothing is held against the rest"}
      />
      <Tile
        label="lb"
        value={model.lbs.length === 0 ? "none" : `${reached} of ${model.lbs.length}`}
        isBad={reached < model.lbs.length}
        note={model.lbs.length === 0 ? "the fleet has no lb" : "reached"}
      />
      <Tile label="Agents" value={count(model.agents)} note="connected" />
    </section>
  );
}
