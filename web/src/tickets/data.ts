/** Reservations and tickets of whoever looks: of the account, and of the guest purchases this device knows. */
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { api, reservationTokens, type ApiProblem } from '../api';
import type { Reservation } from '../api/types';
import type { PaymentState } from '../checkout/types';
import { useSession } from '../ui/session';
import { openReservationsChannel } from './channel';
import type { MyTickets, Ticket } from './types';

const PER_PAGE = 25;

export const tokensFor = (reservationId: string): readonly string[] => {
  const token = reservationTokens.get(reservationId);
  return token === undefined ? [] : [token];
};

export interface Loaded<T> {
  readonly data: T | null;
  readonly problem: ApiProblem | null;
  readonly retry: () => void;
}

export interface Reservations extends Loaded<readonly Reservation[]> {
  /** Loads what is older; null when there is no more. */
  readonly more: (() => void) | null;
  readonly isLoadingMore: boolean;
}

interface Page {
  readonly reservations: readonly Reservation[];
  readonly next?: string;
}

export function useReservations(): Reservations {
  const session = useSession();
  const client = useQueryClient();
  const who = session.kind === 'account' ? session.account.id : session.kind;
  const { data, error, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } = useInfiniteQuery<
    Page,
    ApiProblem
  >({
    queryKey: ['reservations', who],
    enabled: session.kind !== 'unknown',
    initialPageParam: undefined,
    queryFn: async ({ pageParam, signal }) => {
      const tokens = reservationTokens.all();
      // Nothing to present: there is nothing to ask for.
      if (session.kind === 'guest' && tokens.length === 0) return { reservations: [] };
      const after = typeof pageParam === 'string' ? pageParam : undefined;
      return api.send<Page>({ path: '/reservations', query: { limit: PER_PAGE, after }, tokens, signal });
    },
    getNextPageParam: ({ next }) => next,
    staleTime: 0,
    refetchOnWindowFocus: true,
  });
  useEffect(
    () =>
      openReservationsChannel().listen(() => void client.invalidateQueries({ queryKey: ['reservations'] })),
    [client],
  );
  return {
    data: data ? unique(data.pages.flatMap(({ reservations }) => reservations)) : null,
    problem: error,
    retry: () => void refetch(),
    more: hasNextPage ? () => void fetchNextPage() : null,
    isLoadingMore: isFetchingNextPage,
  };
}

/** A purchase between two pages moves the rest: one may come twice. */
function unique(reservations: readonly Reservation[]): readonly Reservation[] {
  return [...new Map(reservations.map((one) => [one.id, one])).values()];
}

export const ticketsKey = (reservationId: string): readonly unknown[] => [
  'reservation-tickets',
  reservationId,
];

export function useReservationTickets(reservationId: string): Loaded<readonly Ticket[]> {
  const { data, error, refetch } = useQuery<readonly Ticket[], ApiProblem>({
    queryKey: ticketsKey(reservationId),
    queryFn: async ({ signal }) => {
      const path = `/reservations/${reservationId}/tickets`;
      const answer = await api.send<{ tickets: Ticket[] }>({
        path,
        tokens: tokensFor(reservationId),
        signal,
      });
      return answer.tickets;
    },
    refetchOnWindowFocus: true,
  });
  return { data: data ?? null, problem: error, retry: () => void refetch() };
}

/** Null while it is not known, or there was no payment. */
export function usePayment(reservation: Reservation): PaymentState | null {
  const { id, status } = reservation;
  const { data } = useQuery<PaymentState | null, ApiProblem>({
    queryKey: ['reservation-payment', id, status],
    enabled: status !== 'PENDING',
    queryFn: ({ signal }) =>
      api.send<PaymentState>({ path: `/reservations/${id}/payment`, tokens: tokensFor(id), signal }),
    retry: false,
  });
  return data ?? null;
}

/** Tickets from others; nothing for guests. */
export function useMyTickets(): Loaded<MyTickets> {
  const session = useSession();
  const { data, error, refetch } = useQuery<MyTickets, ApiProblem>({
    queryKey: ['my-tickets', session.kind === 'account' ? session.account.id : ''],
    enabled: session.kind === 'account',
    queryFn: ({ signal }) => api.send<MyTickets>({ path: '/tickets', signal }),
    refetchOnWindowFocus: true,
  });
  return { data: data ?? null, problem: error, retry: () => void refetch() };
}

/** After something was done with tickets: everything of them is read anew, here and in other tabs. */
export function useTicketsChanged(): (reservationId: string) => void {
  const client = useQueryClient();
  return (reservationId) => {
    void client.invalidateQueries({ queryKey: ['reservations'] });
    void client.invalidateQueries({ queryKey: ticketsKey(reservationId) });
    void client.invalidateQueries({ queryKey: ['reservation-payment', reservationId] });
    void client.invalidateQueries({ queryKey: ['my-tickets'] });
    openReservationsChannel().post(reservationId);
  };
}
