/** Texts of what is recommended, and of what is recorded: loaded when they are scrolled to, or asked for. */
import type messages from './visit.en.json';
import { moreTexts } from './more';

export type VisitMessages = typeof messages;

export const visitTexts = moreTexts<VisitMessages>({
  en: () => import('./visit.en.json'),
  ar: () => import('./visit.ar.json'),
});

export const useVisitText = visitTexts.useText;
