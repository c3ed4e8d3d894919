/** Lines over time or over a number (uPlot). */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";

import { compact, time as timeText, utc } from "../format";

export interface Series {
  label: string;
  color: string; // Name of a custom property.
  fill?: boolean;
}

function colorOf(name: string): string {
  // What light-dark() says is only known to an element that is drawn with it.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
}

/** Ticks of one length: the clock for a short range, the day for a long one. */
const moment = (wall: boolean, range?: number) => (seconds: number) => {
  const text = timeText(seconds * 1000, false, wall);
  return range ? text.slice(11) : text.endsWith("00:00:00") ? text.slice(0, 10) : text.slice(5, 16);
};

const withAlpha = (color: string, alpha: number) => color.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);

/** `wall`: its times have no zone, and stand as they are wherever this browser is. */
export function LineChart(props: { data: (number | null)[][]; series: Series[]; time?: boolean; wall?: boolean; range?: number; label: string }) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const { data, series, time = true, wall = false, range } = props;
  const key = JSON.stringify([series, time, utc.value, wall, range]);

  useEffect(() => {
    const element = host.current!;
    const build = () => {
      plot.current?.destroy();
      const muted = colorOf("--muted");
      const line = colorOf("--line");
      const axis = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px system-ui" };
      plot.current = new uPlot(
        {
          width: element.clientWidth,
          height: element.clientHeight,
          legend: { show: false },
          cursor: { y: false, points: { size: 6 } },
          tzDate: (seconds) => (wall || utc.value ? uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : new Date(seconds * 1000)),
          scales: {
            x: { time, range: range ? (_, __, max) => [max - range, max] : undefined },
            y: { range: (_, min, max) => [Math.min(0, min), max <= 0 ? 1 : max * 1.12] },
          },
          axes: [
            { ...axis, size: 26, space: 90, ...(time && { values: (_, values) => values.map(moment(wall, range)) }) },
            { ...axis, size: 52, values: (_, values) => values.map((v) => (Number.isInteger(v) ? compact(v) : String(v))) },
          ],
          series: [
            {},
            ...series.map((one) => {
              const color = colorOf(one.color);
              return {
                label: one.label,
                stroke: color,
                width: 1.8,
                points: { show: false },
                fill: one.fill ? withAlpha(color, 0.1) : undefined,
              };
            }),
          ],
        },
        data as uPlot.AlignedData,
        element,
      );
    };
    build();
    const sized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: element.clientHeight });
    });
    sized.observe(element);
    // Colours are drawn, not styled: another theme means another drawing.
    const themed = new MutationObserver(build);
    themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", build);
    return () => {
      sized.disconnect();
      themed.disconnect();
      scheme.removeEventListener("change", build);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [key]);

  useEffect(() => plot.current?.setData(data as uPlot.AlignedData), [data]);

  return <div class="chart" ref={host} role="img" aria-label={props.label} />;
}
