/** How it goes, at a glance. */
import { useEffect, useState } from "preact/hooks";

import { ask } from "../api";
import { firstTopic, madeUp } from "../commands";
import { ago, compact, count, duration, rate } from "../format";
import { LineChart } from "../parts/chart";
import { Spark } from "../parts/spark";
import { Card, Commands, Empty, Icon } from "../parts/ui";
import { go, link } from "../route";
import { balanced, eventTopics, lastMoved, latest, overview, paused, points, refresh } from "../state";

const RANGE_SECONDS = 300;

/** The value below which `share` of a Prometheus histogram lies, from its text; null without any. */
export function quantile(text: string, name: string, share: number): number | null {
  const buckets: [number, number][] = [];
  for (const line of text.split("\n")) {
    const match = line.startsWith(name + "_bucket") && /le="([^"]+)"[^}]*\}\s+([0-9.e+]+)/.exec(line);
    if (match) buckets.push([match[1] === "+Inf" ? Infinity : Number(match[1]), Number(match[2])]);
  }
  const all = buckets.at(-1)?.[1] ?? 0;
  if (all === 0) return null;
  const found = buckets.findIndex(([, n]) => n >= all * share);
  const [upper, n] = buckets[found];
  const [lower, before] = found > 0 ? buckets[found - 1] : [0, 0];
  if (!Number.isFinite(upper)) return lower;
  return lower + ((upper - lower) * (all * share - before)) / Math.max(1, n - before);
}

function useDelay() {
  const [delay, setDelay] = useState<number | null>(null);
  useEffect(() => {
    const look = async () => {
      if (paused.value || document.visibilityState !== "visible") return;
      try {
        setDelay(quantile(await (await ask("/metrics")).text(), "sluice_queryable_delay_seconds", 0.95));
      } catch {
        // The overview itself says what is wrong.
      }
    };
    void look();
    const timer = setInterval(look, 5000);
    return () => clearInterval(timer);
  }, []);
  return delay;
}

function Tile(props: { label: string; value: string; unit?: string; hint: string; to?: string; bad?: boolean; title?: string }) {
  const inside = (
    <>
      <span class="label">{props.label}</span>
      <span class="value">
        {props.value}
        {props.unit && <small>{props.unit}</small>}
      </span>
      <span class="hint">{props.hint}</span>
    </>
  );
  const kind = `card tile ${props.bad ? "bad" : ""}`;
  return props.to ? (
    <a class={kind} href={link(props.to)} title={props.title}>
      {inside}
    </a>
  ) : (
    <div class={kind} title={props.title}>
      {inside}
    </div>
  );
}

function Tiles() {
  const now = overview.value!;
  const delay = useDelay();
  const landed15 = landedMean().at(-1) ?? null;
  const pending = eventTopics.value.reduce((n, topic) => n + topic.pending, 0);
  const landed = eventTopics.value.reduce((n, topic) => n + topic.rows, 0);
  return (
    <div class="tiles">
      <Tile label="In" value={latest.value ? rate(latest.value.received) : "–"} unit="/s" hint={`${compact(now.events.received)} since the start`} to="live" />
      <Tile label="Landed" value={landed15 === null ? "…" : rate(landed15)} unit={landed15 === null ? undefined : "/s"} hint={`${compact(landed)} rows in tables`} to="tables" />
      <Tile label="Waiting to land" value={compact(pending)} hint="in SQL already" to="tables" />
      <Tile label="Open errors" value={compact(now.open_errors)} hint={`${compact(now.events.error)} since the start`} to="errors" bad={now.open_errors > 0} />
      <Tile label="Duplicates" value={compact(now.events.duplicate)} hint="not stored twice" />
      <Tile
        label="Queryable in"
        value={delay === null ? "–" : duration(delay).split(" ").slice(0, -1).join(" ") || duration(delay)}
        unit={delay === null ? undefined : duration(delay).split(" ").at(-1)}
        hint="95 % of events"
        to="sql"
      />
    </div>
  );
}

/** Landing comes in bursts: what counts is its mean over a while. */
const LANDED_MEAN = 15;

function landedMean(): (number | null)[] {
  const known = points.value.map((p) => p.landed);
  return known.map((_, i) => {
    const last = known.slice(Math.max(0, i + 1 - LANDED_MEAN), i + 1);
    if (last.length < LANDED_MEAN || last.includes(null)) return null;
    return last.reduce<number>((sum, n) => sum + n!, 0) / LANDED_MEAN;
  });
}

function Flow() {
  const data = [
    points.value.map((p) => p.at / 1000),
    points.value.map((p) => p.received),
    landedMean(),
  ];
  return (
    <Card
      title="Events a second"
      flush
      actions={
        <div class="legend">
          <span>
            <i style={{ background: "var(--series-1)" }} />
            in
          </span>
          <span>
            <i style={{ background: "var(--series-2)" }} />
            landed, mean of {LANDED_MEAN} s
          </span>
        </div>
      }
    >
      <LineChart
        data={data}
        range={Math.min(RANGE_SECONDS, Math.max(60, Math.ceil(points.value.length / 60) * 60))}
        label="Events a second of the last five minutes: coming in, and landed in tables"
        series={[
          { label: "in", color: "--series-1", fill: true },
          { label: "landed", color: "--series-2" },
        ]}
      />
    </Card>
  );
}

function Checklist() {
  const now = overview.value!;
  const first = firstTopic();
  const steps: { done: boolean; what: string; to?: string; note?: string; how?: string[] }[] = [
    { done: eventTopics.value.length > 0, what: "Give it a schema", to: "topics", how: first.slice(0, 3) },
    {
      done: eventTopics.value.some((t) => t.next_offset > 0),
      what: "Send an event",
      how: eventTopics.value.length > 0 ? [madeUp(eventTopics.value[0].topic)] : first.slice(3),
    },
    { done: now.queries > 0, what: "Query it", to: "sql" },
    { done: eventTopics.value.some((t) => t.rows > 0), what: "See it land in a Delta table", to: "tables" },
    { done: now.events.received > 0 && now.open_errors === 0, what: now.open_errors ? `Look at ${count(now.open_errors)} open errors` : "See that nothing is wrong", to: "errors" },
    { done: now.tokens, what: "Make a token before others can reach it", note: "in the project's folder", how: ["sluice token create --scope admin"] },
  ];
  return (
    <Card title="First steps" actions={<span class="pill">{steps.filter((s) => s.done).length} of {steps.length}</span>}>
      <ul class="checklist">
        {steps.map((step) => (
          <li class={step.done ? "done" : ""}>
            <span class="mark">
              <Icon name="check" />
            </span>
            <div class="grow">
              <b>{step.to && !step.done ? <a href={link(step.to)}>{step.what}</a> : step.what}</b>
              <span class="hidden-text">{step.done ? " (done)" : " (to do)"}</span>
              {!step.done && step.note && <span class="muted small"> {step.note}</span>}
              {!step.done && step.how && <Commands of={step.how} />}
            </div>
          </li>
        ))}
      </ul>
    </Card>
  );
}

interface Part {
  name: string;
  n: number;
  color: string;
}

function Sum({ name, whole, parts }: { name: string; whole: number; parts: Part[] }) {
  return (
    <div>
      <div class="row small">
        <b>{name}</b> <span class="grow" /> <b>{count(whole)}</b>
      </div>
      <div class="bar" aria-hidden="true">
        {parts.filter((part) => part.n > 0).map((part) => (
          <span style={{ flex: `${part.n} 1 3px`, background: part.color }} />
        ))}
      </div>
      <div class="parts">
        {parts.map((part) => (
          <span>
            <i style={{ background: part.color }} />
            {part.name} <b>{count(part.n)}</b>
          </span>
        ))}
      </div>
    </div>
  );
}

function Balance() {
  const { received, accepted, duplicate, error } = overview.value!.events;
  const kept = eventTopics.value.reduce((n, t) => n + t.next_offset, 0);
  const pending = eventTopics.value.reduce((n, t) => n + t.pending, 0);
  const [kind, text] =
    balanced.value === null ? ["", "counting"] : balanced.value ? ["good", "balanced"] : ["bad", "does not balance"];
  return (
    <Card
      title="Balance"
      actions={
        <>
          <span class={`pill ${kind}`} title="Each event stands once: counted here; `sluice verify`, in the project's folder, proves it from the tables">
            {text}
          </span>
        </>
      }
    >
      <div class="balance">
        <Sum
          name="Received since the start"
          whole={received}
          parts={[
            { name: "accepted", n: accepted, color: "var(--series-1)" },
            { name: "duplicates", n: duplicate, color: "var(--series-3)" },
            { name: "errors, kept", n: error, color: "var(--series-4)" },
          ]}
        />
        <Sum
          name="Accepted ever"
          whole={kept}
          parts={[
            { name: "landed", n: kept - pending, color: "var(--series-2)" },
            { name: "waiting to land", n: pending, color: "var(--series-1)" },
          ]}
        />
      </div>
    </Card>
  );
}

function TopicTable() {
  const topics = [...eventTopics.value].sort((a, b) => b.received - a.received);
  const second = (name: string) => points.value.slice(-60).map((p) => p.topics.get(name) ?? 0);
  return (
    <Card title="Topics" flush>
      {topics.length === 0 ? (
        <Empty icon="topics" title="No topic yet">
          <p>
            A schema makes one: <a href={link("topics")}>try one here</a>, or from nothing:
          </p>
          <Commands of={firstTopic()} />
        </Empty>
      ) : (
        <div class="grid-wrap" tabIndex={0} role="region" aria-label="Topics">
          <table>
            <thead>
              <tr>
                <th>Topic</th>
                <th>Last minute</th>
                <th class="number">In /s</th>
                <th class="number">Received</th>
                <th class="number">Duplicates</th>
                <th class="number">Errors</th>
                <th class="number">Waiting</th>
                <th class="number">Rows landed</th>
                <th class="number">Newest event</th>
              </tr>
            </thead>
            <tbody>
              {topics.map((topic) => {
                const moved = lastMoved.value.get(topic.topic);
                return (
                  <tr class="pick" onClick={() => go("live", topic.topic)}>
                    <td>
                      <a href={link("live", topic.topic)}>{topic.topic}</a>{" "}
                      {topic.stopped && (
                        <span class="pill bad" title={topic.stopped}>
                          landing stopped
                        </span>
                      )}
                    </td>
                    <td>
                      <Spark values={second(topic.topic)} />
                    </td>
                    <td class="number">{rate(latest.value?.topics.get(topic.topic) ?? 0)}</td>
                    <td class="number">{count(topic.received)}</td>
                    <td class="number">{count(topic.duplicate)}</td>
                    <td class="number">{count(topic.error)}</td>
                    <td class="number">{count(topic.pending)}</td>
                    <td class="number">{count(topic.rows)}</td>
                    <td class="number muted">{moved ? ago((Date.now() - moved) / 1000) : "–"}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

export function Overview() {
  const now = overview.value;
  return (
    <div class="content">
      <div class="head">
        <h1>Overview</h1>
        {now && (
          <span class={`pill ${now.taking ? "good" : "bad"}`}>
            <span class={`dot ${paused.value ? "" : "live"}`} />
            {now.taking ? `up ${duration(now.uptime_ms / 1000)}` : "takes no events"}
          </span>
        )}
        <div class="actions">
          <button onClick={() => ((paused.value = !paused.value), refresh())} aria-pressed={paused.value}>
            <Icon name={paused.value ? "play" : "pause"} />
            {paused.value ? "Go on" : "Pause"}
          </button>
        </div>
      </div>
      {now ? (
        <>
          <Tiles />
          <div class="two">
            <div class="stack">
              <Flow />
              <Balance />
            </div>
            <Checklist />
          </div>
          <TopicTable />
        </>
      ) : (
        <div class="card">
          <Empty icon="overview" title="Asking the server …" />
        </div>
      )}
    </div>
  );
}
