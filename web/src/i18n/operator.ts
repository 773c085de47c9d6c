/** Texts of the operators' pages. Each page has its part of the files, and `shell` is what is around and in all. */
import type messages from './operator.en.json';
import { moreTexts } from './more';

export type OperatorMessages = typeof messages;

export const operatorTexts = moreTexts<OperatorMessages>({
  en: () => import('./operator.en.json'),
  ar: () => import('./operator.ar.json'),
});

export const useOperatorText = operatorTexts.useText;
