/** The checkout of a reservation, for its page. */
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { api, intents, reservationTokens, serverClock, type ApiProblem } from '../api';
import { newKey } from '../api/intents';
import { tabStorage } from '../api/storage';
import { LANGUAGE_CODES, type LanguageCode } from '../i18n/languages';
import { openReservationsChannel } from '../tickets/channel';
import { CheckoutController } from './controller';
import { BEGINNING, type Checkout } from './machine';
import { PayIntents } from './pay-intents';
import { authenticate } from './stripe';
import type { PaymentConfig } from './types';

const payIntents = new PayIntents({ storage: tabStorage, newKey, now: () => Date.now() });

const LANGUAGE_KEY = 'ticktak.bank-language';

/** The language of the page that was left for the bank's. Null when none was left in this tab. */
export function languageBeforeBank(): LanguageCode | null {
  const kept = tabStorage.get(LANGUAGE_KEY);
  return LANGUAGE_CODES.find((code) => code === kept) ?? null;
}

export function usePaymentConfig(): {
  readonly config: PaymentConfig | null;
  readonly problem: ApiProblem | null;
  readonly retry: () => void;
} {
  const { data, error, refetch } = useQuery<PaymentConfig, ApiProblem>({
    queryKey: ['payment-config'],
    queryFn: ({ signal }) => api.send<PaymentConfig>({ path: '/payments/config', auth: 'none', signal }),
    staleTime: Infinity,
  });
  return { config: data ?? null, problem: error, retry: () => void refetch() };
}

function controllerOf(id: string): CheckoutController {
  const cancelName = `cancel:${id}`;
  const channel = openReservationsChannel();
  return new CheckoutController({
    id,
    send: (request) => api.send(request),
    token: () => reservationTokens.get(id),
    now: () => serverClock.now(),
    intents: payIntents,
    cancelKey: () => intents.keyOf(cancelName, null),
    cancelEnded: () => intents.end(cancelName),
    schedule: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    tell: () => channel.post(id),
    leave: (url) => {
      tabStorage.set(LANGUAGE_KEY, document.documentElement.lang);
      location.assign(url);
    },
    authenticate: async (clientSecret) => {
      const { publishableKey } = await api.send<PaymentConfig>({ path: '/payments/config', auth: 'none' });
      if (publishableKey !== undefined) await authenticate(publishableKey, clientSecret);
    },
  });
}

export function useCheckout(id: string): {
  readonly checkout: Checkout;
  readonly controller: CheckoutController;
} {
  const [controller] = useState(() => controllerOf(id));
  useEffect(() => {
    controller.start();
    const channel = openReservationsChannel();
    const stopListening = channel.listen((changed) => {
      if (changed === id) controller.hear();
    });
    const lookIfSeen = (): void => {
      if (document.visibilityState === 'visible') controller.look();
    };
    // Back from the bank by the back button: the page may be the one that was left.
    const shown = (event: PageTransitionEvent): void => {
      if (event.persisted) controller.look();
    };
    document.addEventListener('visibilitychange', lookIfSeen);
    window.addEventListener('online', controller.look);
    window.addEventListener('pageshow', shown);
    return () => {
      controller.stop();
      stopListening();
      document.removeEventListener('visibilitychange', lookIfSeen);
      window.removeEventListener('online', controller.look);
      window.removeEventListener('pageshow', shown);
    };
  }, [controller, id]);
  const checkout = useSyncExternalStore(
    controller.subscribe,
    () => controller.state,
    () => BEGINNING,
  );
  return { checkout, controller };
}
