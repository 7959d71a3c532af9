import { useState } from "react";
import { Confirm } from "../shared/Dialog";
import { Gate } from "../shared/Gate";
import { Replies } from "../shared/Replies";
import { Top } from "../shared/Top";
import { useTheme } from "../shared/theme";
import { apply } from "./actions";
import { store, useStore } from "./store";
import { Events } from "./views/Events";
import { Holds } from "./views/Holds";
import { Hosts } from "./views/Hosts";
import { Lbs } from "./views/Lbs";
import { inOrder, ServicePanel } from "./views/ServicePanel";
import { Totals } from "./views/Totals";

export function App() {
  const { model, link, message } = useStore();
  const [theme, setTheme, themeKey] = useTheme();
  return (
    <>
      <Top name="lb-controller" link={link} message={message} theme={theme} onTheme={setTheme}>
        <span className="muted top-facts">
          {model.fleet !== "" && `${model.version} · fleet ${model.fleet} · term ${model.term}`}
        </span>
        {link !== "locked" && <Apply />}
      </Top>
      {link === "locked" ? (
        <Gate
          asks="controller"
          message={message}
          note="The content of its token_file."
          onToken={() => store.reconnect()}
        />
      ) : (
        <main className={link === "live" && model.away === "" ? "" : "stale"}>
          <Holds model={model} />
          <Totals model={model} />
          <div className="fleet">
            <div className="stack">
              {inOrder(model.services).map((service) => (
                <ServicePanel key={service.name} model={model} service={service} theme={themeKey} />
              ))}
              {model.services.length === 0 && model.fleet !== "" && (
                <p className="panel empty">The specification has no service.</p>
              )}
            </div>
            <div className="stack side">
              <Events model={model} />
              <Hosts model={model} />
              <Lbs lbs={model.lbs} />
            </div>
          </div>
        </main>
      )}
      <Replies from="the controller" />
    </>
  );
}

/** Reads the specification again; with force once it was refused and that is wanted. */
function Apply() {
  const [isOpen, setOpen] = useState(false);
  const [isRefused, setRefused] = useState(false);
  const run = (force: boolean) =>
    void apply(force).then((isDone) => setRefused(!isDone && !force));
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        {isRefused ? "Apply with force" : "Apply fleet.toml"}
      </button>
      {isOpen && (
        <Confirm
          title={isRefused ? "Apply fleet.toml with force?" : "Apply fleet.toml?"}
          verb="Apply"
          onClose={() => setOpen(false)}
          onConfirm={() => run(isRefused)}
        >
          {isRefused
            ? "It was refused. With force it is taken even if most of what serves goes. Mistakes in it are refused all the same."
            : "The controller reads its file again. New bounds and policies hold at once; a new template is rolled out, a server at a time. It is refused if most of what serves would go."}
        </Confirm>
      )}
    </>
  );
}
