import { useEffect, useRef } from "react";
import type { Backend, Model } from "../model";
import { percent } from "../../shared/format";
import { MAX_NAMED, type Spot, drawFlow } from "./flow";

const FRAME_MS = 100;
/** Part of the way that a dot goes in a frame. */
const STEP = 0.035;

interface Props {
  model: Model;
  selected: Backend | null;
  onSelect: (backend: Backend) => void;
  theme: string;
}

/** The moving picture: listener, route, pool, backends, and the share each gets. */
export function Flow({ model, selected, onSelect, theme }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const spots = useRef<Spot[]>([]);
  const chosen = useRef(selected);
  chosen.current = selected;
  useEffect(() => {
    const isStill = matchMedia("(prefers-reduced-motion: reduce)");
    let phase = 0;
    const draw = () => {
      if (document.hidden || !canvas.current) return;
      if (!isStill.matches) phase = (phase + STEP) % 1;
      spots.current = drawFlow(canvas.current, model, phase, chosen.current);
    };
    draw();
    const timer = window.setInterval(draw, FRAME_MS);
    return () => window.clearInterval(timer);
  }, [model, theme]);
  const at = (event: React.MouseEvent<HTMLCanvasElement>) => {
    const { offsetX: x, offsetY: y } = event.nativeEvent;
    const hit = spots.current.find(
      (spot) => x >= spot.x && x <= spot.x + spot.w && y >= spot.y && y <= spot.y + spot.h,
    );
    return hit?.backend;
  };
  const backends = model.pools.reduce((sum, pool) => sum + pool.backends.length, 0);
  const named = backends > MAX_NAMED ? 7 : backends;
  const rows = Math.max(5, named, model.pools.length, model.routes.length);
  return (
    <canvas
      ref={canvas}
      className="flow"
      style={{ height: Math.max(210, rows * 46) }}
      role="img"
      aria-label={words(model)}
      onClick={(event) => {
        const backend = at(event);
        if (backend) onSelect(backend);
      }}
      onMouseMove={(event) => {
        const backend = at(event);
        event.currentTarget.title = backend ? `${backend.about.name}: ${backend.about.state}` : "";
        event.currentTarget.style.cursor = backend ? "pointer" : "default";
      }}
    />
  );
}

/** The picture in words, for those who do not see it; the table has it all. */
function words(model: Model): string {
  const pools = model.pools.map((pool) => {
    const first = [...pool.backends].sort((a, b) => b.share - a.share).slice(0, 5);
    const shares = first.map((one) => `${one.about.name} ${percent(one.share)}`).join(", ");
    return `pool ${pool.name}, ${pool.rate.toFixed(0)} requests a second: ${shares}`;
  });
  return `Traffic flows to ${pools.join("; ")}`;
}
