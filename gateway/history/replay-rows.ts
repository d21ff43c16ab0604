// The part of the database that decisions are made again from. Synchronous, in the worker.

import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import type Database from 'better-sqlite3';
import type { Decision, RequestFacts } from '../types.ts';
import type { BlockedThen } from './history.ts';
import type { PackedBases, PackedSnapshot } from './pack-basis.ts';
import type { RequestRow, StoredBasis } from './rows.ts';
import type { Unpacked, UnpackedBasis } from './unpack.ts';

/** Of the facts what no column of `requests` tells. */
export type KeptFacts = Pick<
  RequestFacts,
  'pin' | 'capabilityHint' | 'needs' | 'batchSize' | 'promptTokens' | 'maxTokens' | 'headers'
> & { readonly overrides: RequestFacts['overrides'] | null };

export interface StoredRequest
  extends Pick<
    RequestRow,
    | 'id'
    | 'received_at_ms'
    | 'endpoint'
    | 'protocol'
    | 'is_stream'
    | 'client'
    | 'requested_model'
    | 'snapshot'
    | 'rule_set'
  > {
  readonly facts: KeptFacts;
  readonly blocked: readonly BlockedThen[];
}

interface StoredSnapshot {
  readonly atMs: number;
  readonly version: number;
  /** V8's serialization of the providers without their models. */
  readonly providers: Uint8Array<ArrayBufferLike>;
  /** Numbers of `lists`, in the order of the providers. */
  readonly lists: readonly number[];
}

/** Requests that can be decided again with all they name; bodies are V8's serialization. */
export interface StoredReplay {
  readonly requests: readonly StoredRequest[];
  readonly snapshots: ReadonlyMap<number, StoredSnapshot>;
  readonly lists: ReadonlyMap<number, Uint8Array<ArrayBufferLike>>;
  readonly ruleSets: ReadonlyMap<number, Uint8Array<ArrayBufferLike>>;
}

const nothingKept: StoredBasis = { snapshot: 0, ruleSet: 0, factsBlock: 0, factsLine: 0 };

/** More than any running request can still name. */
const mostRemembered = 5_000;
/** Use is noted that coarsely: what it decides is whether 48 hours have passed. */
const usedWithinMs = 600_000;

/** Writes what outcomes were decided on. Numbers are the packing side's; ids are the database's. */
export class ReplayRows {
  readonly #database: Database.Database;
  readonly #ids = new Map<number, number>();
  readonly #insertList: Database.Statement<[Buffer, Buffer]>;
  readonly #insertSnapshot: Database.Statement<[number, number, number, string, Buffer]>;
  readonly #insertRules: Database.Statement<[Buffer, number, Buffer]>;
  readonly #insertFacts: Database.Statement<[number, number, number, Buffer]>;
  readonly #useSnapshot: Database.Statement<[number, number, number]>;
  readonly #useRules: Database.Statement<[number, number, number]>;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#insertList = database.prepare('INSERT OR IGNORE INTO model_lists (digest, body) VALUES (?, ?)');
    this.#insertSnapshot = database.prepare(
      'INSERT INTO snapshots (at_ms, version, used_at_ms, lists, body) VALUES (?, ?, ?, ?, ?)',
    );
    this.#insertRules = database.prepare('INSERT OR IGNORE INTO rule_sets (digest, used_at_ms, body) VALUES (?, ?, ?)');
    this.#insertFacts = database.prepare(
      'INSERT INTO facts (written_at_ms, first_request, last_request, lines) VALUES (?, ?, ?, ?)',
    );
    this.#useSnapshot = database.prepare('UPDATE snapshots SET used_at_ms = ? WHERE snapshot = ? AND used_at_ms < ?');
    this.#useRules = database.prepare('UPDATE rule_sets SET used_at_ms = ? WHERE rule_set = ? AND used_at_ms < ?');
  }

  /** Writes a batch's snapshots, settings and facts. Returns where each outcome finds its own. */
  write(bases: PackedBases, { outcomes, facts }: Unpacked): (basis: UnpackedBasis | null) => StoredBasis {
    if (facts.length === 0) return () => nothingKept;
    const nowMs = outcomes.reduce((latest, { receivedAtMs }) => Math.max(latest, receivedAtMs), 0);
    for (const { number, body } of bases.lists) this.#remember(number, this.#writeList(body));
    for (const snapshot of bases.snapshots) this.#remember(snapshot.number, this.#writeSnapshot(snapshot, nowMs));
    for (const { number, body } of bases.settings) this.#remember(number, this.#writeRules(body, nowMs));
    const first = this.#nextRequest();
    const lines = gzipSync(facts.join('\n'), { level: 1 });
    const last = first + outcomes.length - 1;
    const factsBlock = Number(this.#insertFacts.run(nowMs, first, last, lines).lastInsertRowid);
    this.#noteUse(
      outcomes.map(({ basis }) => basis),
      nowMs,
    );
    return (basis) => {
      const snapshot = basis && this.#ids.get(basis.snapshot);
      const ruleSet = basis && this.#ids.get(basis.settings);
      if (!snapshot || !ruleSet) return nothingKept;
      return { snapshot, ruleSet, factsBlock, factsLine: basis.factsLine };
    };
  }

  #remember(number: number, id: number): void {
    this.#ids.delete(number);
    this.#ids.set(number, id);
    if (this.#ids.size <= mostRemembered) return;
    for (const oldest of this.#ids.keys()) {
      this.#ids.delete(oldest);
      break;
    }
  }

  #writeList(body: Uint8Array): number {
    const digest = createHash('sha256').update(body).digest();
    this.#insertList.run(digest, gzipSync(body, { level: 1 }));
    return this.#idBy('SELECT list AS id FROM model_lists WHERE digest = ?', digest);
  }

  #writeSnapshot({ atMs, version, lists, body }: PackedSnapshot, nowMs: number): number {
    const ids = JSON.stringify(lists.map((number) => this.#ids.get(number) ?? 0));
    const { lastInsertRowid } = this.#insertSnapshot.run(atMs, version, nowMs, ids, gzipSync(body, { level: 1 }));
    return Number(lastInsertRowid);
  }

  #writeRules(body: Uint8Array, nowMs: number): number {
    const digest = createHash('sha256').update(body).digest();
    this.#insertRules.run(digest, nowMs, gzipSync(body));
    return this.#idBy('SELECT rule_set AS id FROM rule_sets WHERE digest = ?', digest);
  }

  #idBy(sql: string, digest: Buffer): number {
    return this.#database.prepare<[Buffer], { id: number }>(sql).get(digest)?.id ?? 0;
  }

  #nextRequest(): number {
    const row = this.#database.prepare<[], { last: number | null }>('SELECT max(seq) AS last FROM requests').get();
    return (row?.last ?? 0) + 1;
  }

  #noteUse(bases: readonly (UnpackedBasis | null)[], nowMs: number): void {
    const before = nowMs - usedWithinMs;
    for (const number of new Set(bases.map((basis) => basis?.snapshot ?? 0)))
      this.#useSnapshot.run(nowMs, this.#ids.get(number) ?? 0, before);
    for (const number of new Set(bases.map((basis) => basis?.settings ?? 0)))
      this.#useRules.run(nowMs, this.#ids.get(number) ?? 0, before);
  }
}

/** The latest requests whose facts, snapshot and rules are all there. */
export function readReplay(
  database: Database.Database,
  limit: number,
  decisionOf: (row: RequestRow) => Decision | null,
): StoredReplay {
  const rows = database
    .prepare<[number], RequestRow>(
      `SELECT requests.* FROM requests JOIN snapshots USING (snapshot) JOIN rule_sets USING (rule_set)
       JOIN facts ON facts.block = requests.facts_block
       WHERE seq >= ifnull((SELECT min(first_request) FROM facts), 9e18) ORDER BY seq DESC LIMIT ?`,
    )
    .all(limit);
  const factsOf = blockReader(database);
  const requests: StoredRequest[] = [];
  for (const row of rows) {
    const facts = factsOf(row.facts_block)[row.facts_line];
    if (facts === undefined) continue;
    const { id, received_at_ms, endpoint, protocol, is_stream, client, requested_model, snapshot, rule_set } = row;
    requests.push({
      ...{ id, received_at_ms, endpoint, protocol, is_stream, client, requested_model, snapshot, rule_set },
      facts: JSON.parse(facts) as KeptFacts,
      blocked: blockedIn(decisionOf(row)),
    });
  }
  return { requests, ...readBases(database, requests) };
}

/** Requests come in the order of their blocks: each is unpacked once. */
function blockReader(database: Database.Database): (block: number) => readonly string[] {
  const statement = database.prepare<[number], { lines: Buffer }>('SELECT lines FROM facts WHERE block = ?');
  let current = -1;
  let lines: readonly string[] = [];
  return (block) => {
    if (block !== current) {
      const row = statement.get(block);
      lines = row ? gunzipSync(row.lines).toString().split('\n') : [];
      current = block;
    }
    return lines;
  };
}

function blockedIn(decision: Decision | null): readonly BlockedThen[] {
  const blocked: BlockedThen[] = [];
  for (const { provider, model, reason } of decision?.candidates ?? [])
    if (reason === 'cooling_down' || reason === 'breaker_open' || reason === 'rate_limited')
      blocked.push({ provider, model, reason });
  return blocked;
}

function readBases(
  database: Database.Database,
  requests: readonly StoredRequest[],
): Pick<StoredReplay, 'snapshots' | 'lists' | 'ruleSets'> {
  const snapshots = new Map<number, StoredSnapshot>();
  const lists = new Map<number, Uint8Array>();
  const ruleSets = new Map<number, Uint8Array>();
  const snapshotRow = database.prepare<[number], { at_ms: number; version: number; lists: string; body: Buffer }>(
    'SELECT at_ms, version, lists, body FROM snapshots WHERE snapshot = ?',
  );
  const listRow = database.prepare<[number], { body: Buffer }>('SELECT body FROM model_lists WHERE list = ?');
  const rulesRow = database.prepare<[number], { body: Buffer }>('SELECT body FROM rule_sets WHERE rule_set = ?');
  for (const { snapshot, rule_set } of requests) {
    const stored = snapshots.has(snapshot) ? undefined : snapshotRow.get(snapshot);
    if (stored) {
      const ids = JSON.parse(stored.lists) as readonly number[];
      const { at_ms: atMs, version, body } = stored;
      snapshots.set(snapshot, { atMs, version, providers: gunzipSync(body), lists: ids });
      for (const id of ids) {
        const list = lists.has(id) ? undefined : listRow.get(id);
        if (list) lists.set(id, gunzipSync(list.body));
      }
    }
    const rules = ruleSets.has(rule_set) ? undefined : rulesRow.get(rule_set);
    if (rules) ruleSets.set(rule_set, gunzipSync(rules.body));
  }
  return { snapshots, lists, ruleSets };
}
