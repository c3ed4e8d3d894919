/** What could not be taken: why, what it was, and how it gets in after all. */
import { useEffect, useState } from "preact/hooks";

import { ask, get, objects, post, problemOf, type Problem, type Result } from "../api";
import { onServer } from "../commands";
import { ago, compact, count, time } from "../format";
import { joined, spread } from "../json";
import { Card, Command, Empty, Icon, ProblemNote, toast } from "../parts/ui";
import { link } from "../route";
import { overview, paused } from "../state";

interface Group {
  topic: string;
  code: string;
  path: string;
  message: string;
  errors: number;
  first: string;
  last: string;
}

interface ErrorRow {
  id: number;
  received_at: string;
  row_number: number;
  message: string;
}

interface Shown {
  id: number;
  payload: string;
}

interface Replayed {
  found: number;
  accepted: number;
  duplicate: number;
  error: number;
}

const keyOf = (group: Group) => `${group.topic}\n${group.code}\n${group.path}`;

function parameters(group: Group): string {
  const of = new URLSearchParams();
  for (const name of ["topic", "code", "path"] as const) if (group[name]) of.set(name, group[name]);
  return of.toString();
}

function EditOne({ id, done }: { id: number; done: () => void }) {
  const [shown, setShown] = useState<Shown | null>(null);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [verdict, setVerdict] = useState("");
  useEffect(() => {
    setShown(null);
    setProblem(null);
    setVerdict("");
    get<Shown>(`/v1/admin/errors/${id}`).then(
      (error) => (setShown(error), setText(spread(error.payload))),
      (error) => setProblem(problemOf(error)),
    );
  }, [id]);
  const retry = async () => {
    setProblem(null);
    setVerdict("");
    try {
      const receipt = await post<{ accepted: number; duplicate: number; errors: { code: string; path: string; message: string }[] }>(
        `/v1/admin/errors/${id}/retry`,
        joined(text), // Where it came as one line, it can be shown as one. Not valid: the server says where.
      );
      if (receipt.accepted + receipt.duplicate > 0) {
        toast(receipt.accepted ? "Accepted: it is in its table" : "It was there already: closed as a duplicate");
        done();
      } else {
        const first = receipt.errors[0];
        setVerdict(first ? `${first.code} ${first.path ? first.path + ": " : ""}${first.message}` : "not accepted");
      }
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  const drop = async () => {
    try {
      await post(`/v1/admin/errors/${id}/drop`);
      toast("Dropped");
      done();
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return (
    <div class="stack">
      {shown && (
        <>
          <textarea
            rows={Math.min(16, text.split("\n").length + 1)}
            spellcheck={false}
            aria-label={`Event of error ${id}`}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          {verdict && (
            <div class="problem" role="alert">
              Still not: {verdict}
            </div>
          )}
          <div class="row wrap">
            <button class="primary" onClick={() => void retry()}>
              <Icon name="retry" /> Send again
            </button>
            <button onClick={() => setText(spread(shown.payload))}>As it came</button>
            <span class="grow" />
            <button class="danger" onClick={() => void drop()}>
              Drop
            </button>
          </div>
          <p class="small muted">It keeps its identity: sent twice, it still stands once. That you saw it is in the audit.</p>
        </>
      )}
      {problem && <ProblemNote problem={problem} />}
    </div>
  );
}

function GroupDetail({ group, changed }: { group: Group; changed: () => void }) {
  const [rows, setRows] = useState<ErrorRow[]>([]);
  const [picked, setPicked] = useState<number | null>(null);
  const [dry, setDry] = useState<Replayed | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const load = async (pick = true) => {
    try {
      const found = objects<ErrorRow>(await get<Result>(`/v1/admin/errors?${parameters(group)}`));
      setRows(found);
      if (pick) setPicked(found[0]?.id ?? null);
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  useEffect(() => {
    setDry(null);
    setProblem(null);
    void load();
  }, [keyOf(group)]);
  const replay = async (dryRun: boolean) => {
    setBusy(true);
    setProblem(null);
    try {
      const answer = await post<Replayed>(`/v1/admin/errors/replay?${parameters(group)}${dryRun ? "&dry_run=true" : ""}`);
      if (dryRun) setDry(answer);
      else {
        toast(`${count(answer.accepted)} accepted, ${count(answer.duplicate)} duplicates, ${count(answer.error)} still wrong`);
        setDry(null);
        changed();
        void load();
      }
    } catch (error) {
      setProblem(problemOf(error));
    }
    setBusy(false);
  };
  const at = rows.findIndex((row) => row.id === picked);
  return (
    <Card
      title={
        <span class="row">
          <span class="pill bad">{group.code}</span> {group.topic || "no topic"}
        </span>
      }
      actions={
        <button disabled={busy} onClick={() => void replay(true)}>
          <Icon name="retry" /> Replay all …
        </button>
      }
    >
      <div class="stack">
        {dry && (
          <div class="note row wrap">
            <span class="grow">
              {dry.found === 1 ? "One event" : `${count(dry.found)} events`} would be sent again: <b>{count(dry.accepted)}</b> would be accepted
              now, <b>{count(dry.duplicate)}</b> are there already, <b>{count(dry.error)}</b> still do not fit and stay here.
            </span>
            <button class="primary" disabled={busy || dry.found === 0} onClick={() => void replay(false)}>
              Replay {count(dry.found)}
            </button>
            <button onClick={() => setDry(null)}>Leave them</button>
          </div>
        )}
        {problem && <ProblemNote problem={problem} />}
        <div>
          <b class="mono">{group.path}</b>
          {group.path && ": "}
          {group.message} <span class="muted small">(sluice explain {group.code})</span>
        </div>
        {group.code === "SL3011" && (
          <div class="note small">
            The topic has no schema. <a href={link("topics")}>Try one</a>, add it, then replay: all of these get in.
          </div>
        )}
        {picked !== null && (
          <>
            <div class="row small muted">
              <button class="tiny" disabled={at <= 0} onClick={() => setPicked(rows[at - 1].id)}>
                Newer
              </button>
              <button class="tiny" disabled={at < 0 || at >= rows.length - 1} onClick={() => setPicked(rows[at + 1].id)}>
                Older
              </button>
              <span>
                {count(at + 1)} of {count(rows.length)}
                {rows.length === 1000 ? " newest" : ""}
              </span>
              <span class="grow" />
              {rows[at] && <span>received {time(rows[at].received_at)}</span>}
            </div>
            <EditOne
              id={picked}
              done={() => {
                const next = rows[at + 1] ?? rows[at - 1];
                setRows(rows.filter((row) => row.id !== picked));
                setPicked(next?.id ?? null);
                changed();
              }}
            />
          </>
        )}
      </div>
    </Card>
  );
}

export function Errors() {
  const [groups, setGroups] = useState<Group[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [picked, setPicked] = useState<Group | null>(null);
  const load = async () => {
    try {
      setGroups(objects<Group>(await (await ask("/v1/admin/errors/groups")).json()));
      setProblem(null);
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  useEffect(() => {
    void load();
    const timer = setInterval(() => {
      if (!paused.value && document.visibilityState === "visible") void load();
    }, 3000);
    return () => clearInterval(timer);
  }, []);
  const all = groups?.reduce((n, group) => n + group.errors, 0) ?? 0;
  return (
    <div class="content">
      <div class="head">
        <h1>Errors</h1>
        {groups && <span class={`pill ${all ? "bad" : "good"}`}>{all ? `${count(all)} open` : "none open"}</span>}
        <span class="muted small">Kept sealed, with reason and position; a good event of the same identity closes its error.</span>
      </div>
      {problem && <ProblemNote problem={problem} />}
      {groups && groups.length === 0 && (
        <div class="card">
          <Empty icon="check" title="Nothing is wrong">
            <p>
              {overview.value?.events.received
                ? "Every event that came fits its schema, or was mended. To see one that does not:"
                : "No event has come yet. One that cannot be taken would stand here:"}
            </p>
            <Command text={`echo '{"event":"nobody.knows","content":{}}' | ${onServer("send -")}`} />
          </Empty>
        </div>
      )}
      {groups && groups.length > 0 && (
        <div class={`master ${picked ? "open" : ""}`}>
          <Card flush title="Reasons" actions={<span class="muted small">{compact(overview.value?.events.error ?? 0)} since the start</span>}>
            <div class="grid-wrap" tabIndex={0} role="region" aria-label="Reasons">
              <table>
                <thead>
                  <tr>
                    <th>Code</th>
                    <th>What</th>
                    <th>Topic</th>
                    <th class="number">Events</th>
                    <th class="number">Last</th>
                  </tr>
                </thead>
                <tbody>
                  {groups.map((group) => (
                    <tr
                      key={keyOf(group)}
                      class={`pick ${picked && keyOf(picked) === keyOf(group) ? "picked" : ""}`}
                      onClick={() => setPicked(group)}
                    >
                      <td>
                        <button class="link mono">{group.code}</button>
                      </td>
                      <td>
                        {group.path && <b class="mono">{group.path}</b>} <span class="muted">{group.message}</span>
                      </td>
                      <td>{group.topic || <span class="muted">none</span>}</td>
                      <td class="number">
                        <b>{count(group.errors)}</b>
                      </td>
                      <td class="number muted nowrap">{ago((Date.now() - Date.parse(group.last)) / 1000)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </Card>
          {picked && <GroupDetail group={picked} changed={() => void load()} />}
        </div>
      )}
    </div>
  );
}
