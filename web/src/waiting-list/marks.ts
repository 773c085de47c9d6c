/** Which entries this browser made: with its token where a guest did, without where an account did. */
import { ReservationTokens } from '../api/reservation-tokens';
import { browserStorage } from '../api/storage';

export const waitingMarks = new ReservationTokens(browserStorage, 'ticktak.waiting-list');
