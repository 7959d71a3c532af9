import { memo, useEffect, useRef } from "react";
import { canvasOf, colour } from "./canvas";

interface Props {
  values: (number | null)[];
  /** Changes whenever the values do. */
  tick: number;
  label: string;
  tone?: string;
}

/** The shape of a minute, in a line of text. */
export const Spark = memo(
  function Spark({ values, label, tone = "--accent" }: Props) {
    const ref = useRef<HTMLCanvasElement>(null);
    useEffect(() => {
      const canvas = ref.current;
      const drawn = canvas && canvasOf(canvas);
      if (!drawn) return;
      const { ctx, width, height } = drawn;
      const most = Math.max(1e-9, ...values.map((value) => value ?? 0));
      const x = (index: number) => (index / (values.length - 1)) * width;
      const y = (value: number) => height - 1 - (value / most) * (height - 3);
      ctx.strokeStyle = colour(tone);
      ctx.lineWidth = 1.25;
      ctx.beginPath();
      let isOn = false;
      values.forEach((value, index) => {
        if (value === null) isOn = false;
        else if (isOn) ctx.lineTo(x(index), y(value));
        else {
          ctx.moveTo(x(index), y(value));
          isOn = true;
        }
      });
      ctx.stroke();
    });
    return <canvas ref={ref} className="spark" role="img" aria-label={label} />;
  },
  (before, after) => before.tick === after.tick && before.label === after.label,
);
