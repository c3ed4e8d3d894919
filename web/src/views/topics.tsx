/** Topics and the schemas that make them. */
import { useEffect, useState } from "preact/hooks";

import { ask, get, problemOf, type Problem, type Result } from "../api";
import { firstTopic } from "../commands";
import { count } from "../format";
import { TextDiff } from "../parts/diff";
import { Card, Commands, Empty, Icon, ProblemNote, toast } from "../parts/ui";
import { go, link, route } from "../route";
import { eventTopics, refresh } from "../state";

interface Field {
  name: string;
  column: string;
  type: string;
  column_type: string;
  roles: string[];
  privacy: string;
  pii: string;
}

interface Schema {
  topic: string;
  table: string;
  version: number;
  compatibility?: string;
  fields: Field[];
  source?: string;
}

interface Checked {
  allowed: boolean;
  topics: { topic: string; follows: number; compatibility: string }[];
  columns: { name: string }[];
  rows: unknown[][];
}

const ROLES: Record<string, string> = {
  id: "identity",
  key: "key",
  eventTime: "event time",
  subject: "person",
  required: "required",
};

function Marks({ field }: { field: Field }) {
  return (
    <span class="row wrap">
      {field.roles.map((role) => (
        <span class="pill accent">{ROLES[role] ?? role}</span>
      ))}
      {field.privacy !== "none" && (
        <span class="pill good">
          <Icon name="lock" /> {field.privacy}
        </span>
      )}
      {field.pii && <span class="pill warn">PII: {field.pii}</span>}
    </span>
  );
}

function Changes({ columns, rows }: { columns: { name: string }[]; rows: unknown[][] }) {
  return (
    <div class="grid-wrap" tabIndex={0} role="region" aria-label="Changes">
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th>{column.name.charAt(0).toUpperCase() + column.name.slice(1)}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr>
              {row.map((value) => (
                <td>{typeof value === "boolean" ? <span class={`pill ${value ? "good" : "bad"}`}>{value ? "yes" : "no"}</span> : String(value ?? "")}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A schema that is only tried: what it would change, and whether it may. */
function Trial({ start, close }: { start: string; close: () => void }) {
  const [text, setText] = useState(start);
  const [checked, setChecked] = useState<Checked | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const check = async () => {
    setChecked(null);
    setProblem(null);
    try {
      setChecked(await (await ask("/v1/admin/schemas/check", { method: "POST", body: text, type: "text/plain" })).json());
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  const add = async () => {
    try {
      const added = (await (await ask("/v1/admin/schemas", { method: "POST", body: text, type: "text/plain" })).json()) as { topics: Schema[] };
      toast(`${added.topics.map((one) => `${one.topic} version ${one.version}`).join(", ")}: added`);
      refresh();
      close();
      go("topics", added.topics[0].topic);
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return (
    <Card
      title="Try a schema"
      actions={
        <button class="quiet tiny" aria-label="Close" onClick={close}>
          <Icon name="close" />
        </button>
      }
    >
      <div class="stack">
        <textarea
          rows={14}
          spellcheck={false}
          aria-label="Text of the schema: Cap'n Proto or JSON Schema"
          value={text}
          onInput={(event) => (setText(event.currentTarget.value), setChecked(null))}
        />
        {problem && <ProblemNote problem={problem} />}
        {problem?.diagnostics && problem.diagnostics.length > 1 && (
          <Changes
            columns={[{ name: "line" }, { name: "code" }, { name: "what" }]}
            rows={problem.diagnostics.map((d) => [d.line ?? "", d.code ?? "", d.message])}
          />
        )}
        {checked && (
          <>
            <div class={`note ${checked.allowed ? "good" : "warn"}`} role="status">
              {checked.topics.map((one) => (
                <div>
                  <b>{one.topic}</b> {one.follows ? `follows version ${one.follows} (${one.compatibility})` : "would be a new topic"}
                </div>
              ))}
              {checked.allowed
                ? checked.rows.length || checked.topics.some((one) => !one.follows)
                  ? "It may be added."
                  : "Nothing would change."
                : "It may not be added: see what it breaks."}
            </div>
            {checked.rows.length > 0 && <Changes columns={checked.columns} rows={checked.rows} />}
          </>
        )}
        <div class="row">
          <button onClick={() => void check()} disabled={!text.trim()}>
            <Icon name="check" /> Try
          </button>
          <button class="primary" disabled={!checked?.allowed} onClick={() => void add()}>
            Add
          </button>
          <span class="small muted">Trying changes nothing.</span>
        </div>
      </div>
    </Card>
  );
}

const EXAMPLE = `using Sl = import "sluice.capnp";
struct Order $Sl.event("shop.orders") {
  orderId  @0 :Text $Sl.id;
  email    @1 :Text $Sl.pii("contact") $Sl.hash(hmacSha256);
  placedAt @2 :Text $Sl.eventTime;
}
`;

/** Every Cap'n Proto file has an id of its own, with its highest bit set. */
function example(): string {
  const id = crypto.getRandomValues(new BigUint64Array(1))[0] | (1n << 63n);
  return `@0x${id.toString(16)};\n${EXAMPLE}`;
}

/** What changed between two versions: the meaning first, then the text. */
function Compared({ address, from, to, newest }: { address: string; from: number; to: Schema; newest: number }) {
  const [changes, setChanges] = useState<Result | null>(null);
  const [before, setBefore] = useState<Schema | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    const fail = (error: unknown) => setProblem(problemOf(error));
    setChanges(null);
    setProblem(null);
    get<Result>(`${address}/diff?from=${from}&to=${to.version}`).then(setChanges, fail);
    get<Schema>(`${address}?version=${from}`).then(setBefore, fail);
  }, [address, from, to.version]);
  return (
    <Card title={`From version ${from} to ${to.version}${to.version === newest ? ", the newest" : ""}`} flush>
      {problem && <ProblemNote problem={problem} />}
      {changes && changes.rows.length > 0 && <Changes columns={changes.columns} rows={changes.rows} />}
      {changes && changes.rows.length === 0 && <p class="muted pad">Fields, types and rules are the same.</p>}
      {before?.version === from && <TextDiff before={before.source ?? ""} after={to.source ?? ""} />}
    </Card>
  );
}

function Detail({ topic }: { topic: string }) {
  const [schema, setSchema] = useState<Schema | null>(null);
  const [history, setHistory] = useState<Result | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [version, setVersion] = useState("");
  const [from, setFrom] = useState("");
  const [trying, setTrying] = useState(false);
  const state = eventTopics.value.find((one) => one.topic === topic);
  const address = `/v1/admin/schemas/${encodeURIComponent(topic)}`;
  useEffect(() => {
    setProblem(null);
    get<Schema>(address + (version ? `?version=${version}` : "")).then(setSchema, (error) => setProblem(problemOf(error)));
    get<Result>(`${address}/history`).then(setHistory, () => setHistory(null));
  }, [topic, version, trying]);
  const versions = [...new Set(history?.rows.map((row) => Number(row[0])) ?? [])].sort((a, b) => b - a);
  return (
    <>
      {problem && <ProblemNote problem={problem} />}
      {schema && (
        <div class="row wrap">
          <span class="pill">table bronze.{schema.table}</span>
          <span class="pill">compatibility {schema.compatibility}</span>
          {state && <span class="pill">{count(state.next_offset)} {state.next_offset === 1 ? "event" : "events"}</span>}
          <span class="grow" />
          {versions.length > 1 && (
            <select aria-label="Version" value={version} onChange={(event) => setVersion(event.currentTarget.value)}>
              <option value="">newest version</option>
              {versions.map((one) => (
                <option value={String(one)}>version {one}</option>
              ))}
            </select>
          )}
          {versions.length > 1 && (
            <select aria-label="Compare with" value={from} onChange={(event) => setFrom(event.currentTarget.value)}>
              <option value="">compare with …</option>
              {versions
                .filter((one) => one !== schema.version)
                .map((one) => (
                  <option value={String(one)}>compare with version {one}</option>
                ))}
            </select>
          )}
          <a class="button" href={link("live", topic)}>
            <Icon name="live" /> Live
          </a>
          <button onClick={() => setTrying(true)} disabled={trying}>
            <Icon name="topics" /> Try a change
          </button>
        </div>
      )}
      {trying && schema && <Trial start={schema.source || example()} close={() => setTrying(false)} />}
      {schema && from && Number(from) !== schema.version && (
        <Compared address={address} from={Number(from)} to={schema} newest={versions[0]} />
      )}
      {schema && (
        <Card title={`Fields of version ${schema.version}`} flush>
          <div class="grid-wrap" tabIndex={0} role="region" aria-label="Fields">
            <table>
              <thead>
                <tr>
                  <th>Field</th>
                  <th>Type</th>
                  <th>Column</th>
                  <th>Stored as</th>
                  <th>Meaning</th>
                </tr>
              </thead>
              <tbody>
                {schema.fields.map((field) => (
                  <tr>
                    <td class="mono">{field.name}</td>
                    <td class="mono muted">{field.type}</td>
                    <td class="mono">{field.column}</td>
                    <td class="mono muted">{field.column_type}</td>
                    <td>
                      <Marks field={field} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </Card>
      )}
      {schema?.source && (
        <Card title="Text">
          <pre class="source" tabIndex={0}>
            {schema.source}
          </pre>
        </Card>
      )}
      {history && (
        <Card title="Versions" flush>
          <Changes columns={history.columns} rows={history.rows} />
        </Card>
      )}
    </>
  );
}

export function Topics() {
  const name = route.value[1];
  const [trying, setTrying] = useState(false);
  const [schemas, setSchemas] = useState<Schema[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const known = eventTopics.value.map((topic) => topic.topic).join();
  useEffect(() => {
    get<{ topics: Schema[] }>("/v1/admin/schemas").then(
      (answer) => (setSchemas(answer.topics.filter((one) => !one.topic.startsWith("system."))), setProblem(null)),
      (error) => setProblem(problemOf(error)),
    );
  }, [known, name]);
  return (
    <div class="content">
      <div class="head">
        {name ? (
          <div class="crumbs">
            <a href={link("topics")}>Topics</a>
            <span class="muted">/</span>
            <h1>{name}</h1>
          </div>
        ) : (
          <h1>Topics &amp; schemas</h1>
        )}
        {!name && (
          <div class="actions">
            <button class="primary" onClick={() => setTrying(true)} disabled={trying}>
              Try a schema
            </button>
          </div>
        )}
      </div>
      {problem && <ProblemNote problem={problem} />}
      {name ? (
        <Detail key={name} topic={name} />
      ) : (
        <>
          {trying && <Trial start={example()} close={() => setTrying(false)} />}
          {schemas?.length === 0 && !trying && (
            <div class="card">
              <Empty icon="topics" title="No topic yet">
                <p>A schema is all there is to give: it makes the topic and its table.</p>
                <button class="primary" onClick={() => setTrying(true)}>
                  Try one here
                </button>
                <p>Or make one from events:</p>
                <Commands of={firstTopic()} />
              </Empty>
            </div>
          )}
          {schemas && schemas.length > 0 && (
            <section class="card">
              <div class="grid-wrap" tabIndex={0} role="region" aria-label="Topics">
                <table>
                  <thead>
                    <tr>
                      <th>Topic</th>
                      <th>Table</th>
                      <th class="number">Version</th>
                      <th class="number">Fields</th>
                      <th>Private</th>
                      <th class="number">Events</th>
                    </tr>
                  </thead>
                  <tbody>
                    {schemas.map((schema) => {
                      const hidden = schema.fields.filter((field) => field.privacy !== "none");
                      return (
                        <tr class="pick" onClick={() => go("topics", schema.topic)}>
                          <td>
                            <a href={link("topics", schema.topic)}>{schema.topic}</a>
                          </td>
                          <td class="muted">{schema.table}</td>
                          <td class="number">{schema.version}</td>
                          <td class="number">{schema.fields.length}</td>
                          <td>
                            <span class="row wrap">
                              {hidden.map((field) => (
                                <span class="pill good">
                                  <Icon name="lock" /> {field.name}
                                </span>
                              ))}
                            </span>
                          </td>
                          <td class="number">{count(eventTopics.value.find((one) => one.topic === schema.topic)?.next_offset ?? 0)}</td>
                        </tr>
                      );
                    })}
                  </tbody>
                </table>
              </div>
            </section>
          )}
        </>
      )}
    </div>
  );
}
