import type { Artefact, ExplainingRanker } from './artefact.js';

export function rankerOf(_artefact: Artefact): ExplainingRanker {
  throw new Error('not yet');
}
