import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { colour } from "./canvas";

export interface Line {
  label: string;
  tone: string;
  values: (number | null)[];
}

interface Props {
  title: string;
  seconds: number[];
  lines: Line[];
  unit: (value: number) => string;
  theme: string;
  height?: number;
  /** Whether there are no values between whole numbers. */
  isCount?: boolean;
  /** The span that is shown, in words. */
  over?: string;
  /** Its length in seconds; that of the values, if left out. */
  length?: number;
  /** The end of the scale; the largest value, if left out. */
  top?: number;
}

/** One or two figures over time. */
export function Plot(props: Props) {
  const { title, seconds, lines, unit, theme, height = 132, over = "the last minute" } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const parent = box.current;
    if (!parent) return;
    const made = make(parent, latest.current);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (parent.clientWidth > 0) made.setSize({ width: parent.clientWidth, height });
    });
    observer.observe(parent);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
    // A plot takes its colours and lines when it is made.
  }, [theme, title, lines.length, height, props.length]);

  useEffect(() => {
    plot.current?.setData([ago(seconds), ...lines.map((line) => line.values)]);
  });

  const now = lines.map((line) => {
    const value = line.values[line.values.length - 1] ?? null;
    return `${line.label} ${value === null ? "–" : unit(value)}`;
  });
  return (
    <figure className="plot">
      <figcaption>
        <span>{title}</span>
        <span className="plot-now">
          {lines.map((line, index) => (
            <span key={line.label}>
              <i className={`dot tone${line.tone}`} aria-hidden="true" />
              {now[index]}
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={box} role="img" aria-label={`${title} over ${over}: ${now.join(", ")}`} />
    </figure>
  );
}

/** Seconds before the last one. */
function ago(seconds: number[]): number[] {
  const last = seconds[seconds.length - 1] ?? 0;
  return seconds.map((second) => second - last);
}

const WHOLE = [1, 2, 5].flatMap((digit) => [0, 1, 2, 3, 4, 5].map((zeros) => digit * 10 ** zeros));

/** Spans between marks of the axis of time, in seconds. */
const SPANS = [
  1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400,
  172_800, 432_000,
];

/** How long before now, in the largest unit that is whole. */
function before(second: number): string {
  if (second === 0) return "now";
  const [size, unit] = ([[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]] as const).find(
    ([size]) => second % size === 0,
  ) ?? [1, "s"];
  return `${second / size} ${unit}`;
}

function make(parent: HTMLElement, props: Props): uPlot {
  const { seconds, lines, unit, height = 132, isCount, length, top } = props;
  const axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  return new uPlot(
    {
      width: Math.max(parent.clientWidth, 100),
      height,
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, ...(length === undefined ? {} : { range: [-length, 0] as [number, number] }) },
        y: { range: (_, __, most) => [0, top ?? (most > 0 ? most * 1.08 : 1)] },
      },
      axes: [
        { ...axis, incrs: SPANS, space: 70, size: 22, values: (_, at) => at.map(before) },
        {
          ...axis,
          ...(isCount ? { incrs: WHOLE.sort((a, b) => a - b) } : {}),
          space: 28,
          size: 58,
          values: (_, at) => at.map((value) => unit(value)),
        },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          label: line.label,
          stroke: colour(line.tone),
          width: 1.5,
          points: { show: false },
        })),
      ],
    },
    [ago(seconds), ...lines.map((line) => line.values)],
    parent,
  );
}
