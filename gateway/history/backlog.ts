// What was recorded and is not written yet, in batches, within bounds.

import type { AdminBeat, AdminHardwareSample } from '../contract.ts';
import type { Outcome } from '../types.ts';
import type { DecisionBasis, HistoryEvent, TimeRange, Transition } from './history.ts';
import type { Batch } from './messages.ts';
import { Packer } from './pack.ts';

export const rowsPerBatch = 64;
/** Outcomes held while they cannot be written; the oldest go first. */
const rowsHeld = 10_000;
/** Numbers and texts held besides (8 bytes each and the texts themselves), for decisions may be long. */
const sizeHeld = 4_000_000;
const sizePerBatch = 200_000;
/** What a row that is no outcome, or an empty batch, counts for: 40,000 of them are held. */
const sizePerNote = 100;
/** In one batch, of each kind. */
const notesPerBatch = 1_000;

/** Rows that are no outcomes. */
interface Notes {
  readonly transitions: Transition[];
  readonly beats: AdminBeat[];
  readonly events: HistoryEvent[];
  readonly hardware: AdminHardwareSample[];
  readonly sleeps: TimeRange[];
}

function noNotes(): Notes {
  return { transitions: [], beats: [], events: [], hardware: [], sleeps: [] };
}

interface Sealed {
  readonly batch: Batch;
  readonly size: number;
}

export class Backlog {
  #packer = new Packer();
  #notes = noNotes();
  #noted = 0;
  #isAliveDue = false;
  #sealed: Sealed[] = [];
  #rows = 0;
  #size = 0;
  #sealedCount = 0;

  /** True: a batch is full and can be sent. */
  add(outcome: Outcome, basis: DecisionBasis | null = null): boolean {
    this.#packer.add(outcome, basis);
    return this.#packer.count >= rowsPerBatch || this.#packer.size >= sizePerBatch;
  }

  /** True: a batch is full and can be sent. */
  addNote<Kind extends keyof Notes>(kind: Kind, note: Notes[Kind][number]): boolean {
    // The element type of a list chosen by its name cannot be told to the compiler in one go.
    const notes: (typeof note)[] = this.#notes[kind];
    this.#noted++;
    return notes.push(note) >= notesPerBatch;
  }

  /** The next batch is made even if it says nothing but that we live. */
  showLife(): void {
    this.#isAliveDue = true;
  }

  get isEmpty(): boolean {
    return this.#sealed.length === 0 && !this.hasUnsealed;
  }

  get hasUnsealed(): boolean {
    return this.#packer.count > 0 || this.#noted > 0 || this.#isAliveDue;
  }

  /** The number of the last batch made; 0: none yet. */
  get lastSealed(): number {
    return this.#sealedCount;
  }

  /** Makes a batch of what is not in one yet. Returns how many outcomes had to go to stay within bounds. */
  seal(atMs: number): number {
    if (!this.hasUnsealed) return 0;
    const size = this.#packer.size + (this.#noted + 1) * sizePerNote;
    const bases = this.#packer.finishBases();
    const outcomes = this.#packer.finish();
    const batch = { number: ++this.#sealedCount, atMs, outcomes, bases, ...this.#notes };
    this.#notes = noNotes();
    this.#noted = 0;
    this.#isAliveDue = false;
    this.#sealed.push({ batch, size });
    this.#rows += batch.outcomes.count;
    this.#size += size;
    let lost = 0;
    // The first may be with the worker at this moment and is spared while there are others.
    while ((this.#rows > rowsHeld || this.#size > sizeHeld) && this.#sealed.length > 1) lost += this.#remove(1);
    // What was lost may have held a snapshot that later ones name.
    if (lost > 0) this.forgetSent();
    return lost;
  }

  /** The worker is another, or has another database: snapshots and settings it was sent are sent again. */
  forgetSent(): void {
    this.#packer.forgetSent();
  }

  /** The batch to be written next; it stays until `drop`. */
  first(): Batch | null {
    return this.#sealed[0]?.batch ?? null;
  }

  /** Takes the batch of that number out, if it is the first. Returns how many outcomes it held. */
  drop(number: number): number {
    return this.first()?.number === number ? this.#remove(0) : 0;
  }

  /** Forgets everything. Returns how many outcomes that was. */
  clear(): number {
    this.seal(0);
    let rows = 0;
    while (this.#sealed.length > 0) rows += this.#remove(0);
    return rows;
  }

  #remove(index: number): number {
    const [removed] = this.#sealed.splice(index, 1);
    if (!removed) return 0;
    this.#rows -= removed.batch.outcomes.count;
    this.#size -= removed.size;
    return removed.batch.outcomes.count;
  }
}
