/** What the shop allows in one reservation, and whom it sells to. */
import { useQuery } from '@tanstack/react-query';
import { api } from '../api';

export interface Terms {
  readonly ticketsPerReservationMax: number;
  readonly guests: boolean;
  /** Whether one may wait for what is sold out. */
  readonly waitingList: boolean;
}

/** Until the shop has told its own, which are the usual ones. */
const USUAL: Terms = { ticketsPerReservationMax: 2, guests: true, waitingList: false };

export function useTerms(): Terms {
  const { data } = useQuery({
    queryKey: ['terms'],
    staleTime: Infinity,
    enabled: typeof window !== 'undefined',
    queryFn: ({ signal }) => api.send<Terms>({ path: '/reservations/terms', auth: 'none', signal }),
  });
  return data ?? USUAL;
}
