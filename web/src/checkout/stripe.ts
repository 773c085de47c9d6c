/**
 * Stripe's own fields, loaded from Stripe only where the shop takes real cards (its rules ask for that:
 * https://docs.stripe.com/security/guide#validating-pci-compliance). A card never touches this page's script.
 */
import type { Stripe, StripeElementLocale, StripeElements } from '@stripe/stripe-js';

export type MadeMethod =
  | { readonly kind: 'made'; readonly id: string }
  /** Stripe says what is wrong, in the buyer's language. */
  | { readonly kind: 'refused'; readonly message: string };

export interface CardFields {
  readonly mount: (into: HTMLElement) => void;
  readonly unmount: () => void;
  readonly makeMethod: () => Promise<MadeMethod>;
}

export interface CardFieldsOptions {
  readonly publishableKey: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly language: string;
  readonly isDark: boolean;
  readonly accent: string;
}

const loading = new Map<string, Promise<Stripe>>();

function load(publishableKey: string): Promise<Stripe> {
  const known = loading.get(publishableKey);
  if (known) return known;
  const made = import('@stripe/stripe-js/pure').then(async ({ loadStripe }) => {
    const stripe = await loadStripe(publishableKey);
    if (!stripe) throw new Error('Stripe.js is for browsers');
    return stripe;
  });
  loading.set(publishableKey, made);
  // What failed once is tried again next time.
  made.catch(() => loading.delete(publishableKey));
  return made;
}

/** Throws when Stripe cannot be reached. */
export async function cardFields(options: CardFieldsOptions): Promise<CardFields> {
  const stripe = await load(options.publishableKey);
  const elements = stripe.elements({
    mode: 'payment',
    amount: options.amountMinor,
    currency: options.currency,
    paymentMethodCreation: 'manual',
    allowedPaymentMethodTypes: ['card'],
    locale: options.language as StripeElementLocale,
    appearance: {
      theme: options.isDark ? 'night' : 'stripe',
      variables: { colorPrimary: options.accent, borderRadius: '10px', fontSizeBase: '16px' },
    },
  });
  const element = elements.create('payment');
  return {
    mount: (into) => element.mount(into),
    unmount: () => element.destroy(),
    makeMethod: () => makeMethod(stripe, elements),
  };
}

async function makeMethod(stripe: Stripe, elements: StripeElements): Promise<MadeMethod> {
  const checked = await elements.submit();
  if (checked.error) return { kind: 'refused', message: checked.error.message ?? '' };
  const { paymentMethod, error } = await stripe.createPaymentMethod({ elements });
  return paymentMethod
    ? { kind: 'made', id: paymentMethod.id }
    : { kind: 'refused', message: error.message ?? '' };
}

/** Shows the bank's question over the page. However it ends, the server says what became of the payment. */
export async function authenticate(publishableKey: string, clientSecret: string): Promise<void> {
  const stripe = await load(publishableKey);
  await stripe.handleNextAction({ clientSecret });
}
