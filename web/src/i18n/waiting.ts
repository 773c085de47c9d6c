/** Texts of the waiting room and the waiting list: loaded where somebody has to wait. */
import type messages from './waiting.en.json';
import { moreTexts } from './more';

export type WaitingMessages = typeof messages;

export const waitingTexts = moreTexts<WaitingMessages>({
  en: () => import('./waiting.en.json'),
  ar: () => import('./waiting.ar.json'),
});

export const useWaitingText = waitingTexts.useText;
