import { percent } from "../../shared/format";
import { meanLoad, type Model, type Server } from "../model";

/** The part of an address before its port. */
function hostOf({ about: { address } }: Server): string {
  return address === undefined ? "no address yet" : address.replace(/:\d+$/, "");
}

/** Where the servers are, and whether their agents are heard. */
export function Hosts({ model }: { model: Model }) {
  const hosts = new Map<string, Server[]>();
  for (const server of model.servers()) {
    const host = hostOf(server);
    hosts.set(host, [...(hosts.get(host) ?? []), server]);
  }
  if (hosts.size === 0) return null;
  return (
    <section className="panel" aria-label="Hosts">
      <div className="panel-head">
        <h2>Hosts</h2>
      </div>
      <table>
        <thead>
          <tr>
            <th scope="col">Host</th>
            <th scope="col" className="number">Servers</th>
            <th scope="col" className="number">Agents</th>
            <th scope="col" className="number">Load</th>
          </tr>
        </thead>
        <tbody>
          {[...hosts].slice(0, 40).map(([host, servers]) => {
            const load = meanLoad(servers);
            const of = (agent: string) => servers.filter(({ about }) => about.agent === agent).length;
            return (
              <tr key={host}>
                <th scope="row">{host}</th>
                <td className="number">{servers.length}</td>
                <td className={of("lost") > 0 ? "number error" : "number"}>
                  {of("connected")}
                  {of("lost") > 0 && `, ${of("lost")} lost`}
                </td>
                <td className="number">{load === null ? "–" : percent(load)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {hosts.size > 40 && <p className="muted">and {hosts.size - 40} more</p>}
    </section>
  );
}
