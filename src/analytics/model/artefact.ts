/**
 * What a training leaves: everything that is needed to rank items for a visitor, as plain JSON.
 *
 * Guarantees: no person is in it, and of a country with few persons nothing is told; the same data and the same seed
 * give the same bytes; one that a newer ticktak wrote is refused by name instead of being misread.
 */
import { z } from 'zod';
import type { Ranker, Visitor } from './dataset.js';

/** Raised by every change after which an older program would misread an artefact. */
export const ARTEFACT_SCHEMA = 1;

const index = z.number().int().min(0);

const itemSchema = z.object({
  id: z.number().int(),
  at: z.number().optional(),
  teams: z.array(z.string()).optional(),
  city: z.string().optional(),
  stage: z.string().optional(),
  priceMinor: z.number().optional(),
});

export const artefactSchema = z.object({
  schema: z.literal(ARTEFACT_SCHEMA),
  method: z.literal('conditional-logit'),
  seed: z.number().int(),
  trainedOn: z.object({
    choices: index,
    persons: index,
    items: index,
    /** Of the first and the last choice, epoch milliseconds. */
    from: z.number(),
    until: z.number(),
  }),
  /** False where nobody chose anything twice. */
  allowsRepeats: z.boolean(),
  /** In the order that everything below counts them in. */
  items: z.array(itemSchema),
  teams: z.array(z.string()),
  stages: z.array(z.string()),
  cities: z.array(z.string()),
  /** Countries with enough persons for weights of their own. */
  countries: z.array(z.string()),
  regions: z.array(z.string()),
  /** Logarithm of each item's share of all choices, and of the latest ones. */
  popularity: z.array(z.number()),
  trend: z.array(z.number()),
  /** By item: what those who chose it choose besides, strongest first. */
  neighbours: z.array(z.object({ items: z.array(index), weights: z.array(z.number()) })),
  /** By country: the items most chosen there. */
  popularIn: z.record(z.string(), z.array(index)),
  /** By group of features: those that are not 0. */
  weights: z.record(z.string(), z.object({ index: z.array(index), value: z.array(z.number()) })),
});
export type Artefact = z.output<typeof artefactSchema>;

/** Written by a program that is newer than this one. */
export class NewerArtefactError extends Error {
  constructor(found: number) {
    super(
      `the model was written by a newer ticktak (artefact ${found}, this one knows up to ${ARTEFACT_SCHEMA}): ` +
        'start that version, or train a model with this one',
    );
    this.name = 'NewerArtefactError';
  }
}

const versioned = z.object({ schema: z.number().int() });

/** Throws `NewerArtefactError`, or what is wrong with it. */
export function readArtefact(value: unknown): Artefact {
  const { schema } = versioned.parse(value);
  if (schema > ARTEFACT_SCHEMA) throw new NewerArtefactError(schema);
  return artefactSchema.parse(value);
}

/** Why an item stands where it does; each is true of the visitor it was made for. */
export type Reason =
  /** They follow it, chose it before, or it is their country's. */
  | { readonly kind: 'your_team'; readonly team: string }
  /** People of their region like it. */
  | { readonly kind: 'neighbour_team'; readonly team: string }
  | { readonly kind: 'popular_in_country'; readonly country: string }
  | { readonly kind: 'popular' }
  /** Days after (> 0) or before (< 0) a match they chose, in the same city. */
  | { readonly kind: 'same_city'; readonly city: string; readonly days: number }
  /** Chosen by people who chose `item`, as they did. */
  | { readonly kind: 'bought_together'; readonly item: number };

export const REASONS_MAX = 3;

export interface ExplainingRanker extends Ranker {
  /** What counted for it, most telling first, at most `REASONS_MAX`. Empty for an item it does not know. */
  explain(visitor: Visitor, item: number, now: number): readonly Reason[];
}

export { rankerOf } from './ranker.js';
