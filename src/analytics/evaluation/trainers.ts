/** Every trainer that can be judged by its name. */
import type { Trainer } from '../model/dataset.js';
import { trainLogit } from '../model/train.js';
import { trainCountryPopularity, trainPopularity, trainRecentPopularity } from './baselines.js';

export const TRAINERS: Readonly<Record<string, Trainer>> = {
  popularity: trainPopularity,
  recent: trainRecentPopularity,
  country: trainCountryPopularity,
  model: trainLogit,
};

/** What the others are compared with, and how many times better the best has to be. */
export const BARS: readonly { readonly name: string; readonly factor: number }[] = [
  { name: 'popularity', factor: 1.5 },
  { name: 'country', factor: 1 },
];
