/** Texts of the stewards' page. */
import type messages from './check-in.en.json';
import { moreTexts } from './more';

export type CheckInMessages = typeof messages;

export const checkInTexts = moreTexts<CheckInMessages>({
  en: () => import('./check-in.en.json'),
  ar: () => import('./check-in.ar.json'),
});

export const useCheckInText = checkInTexts.useText;
