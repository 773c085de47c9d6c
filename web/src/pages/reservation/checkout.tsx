/** The screen of each state of a checkout: a heading that says what is true, and what to do next. */
import { useEffect, useRef, type ReactNode } from 'react';
import type { CheckoutController } from '../../checkout/controller';
import { isBeingDecided } from '../../checkout/controller';
import { endingOf, shownKind, type Checkout, type Ending, type Shown } from '../../checkout/machine';
import { useCheckout } from '../../checkout/use-checkout';
import { useLocale, useText } from '../../i18n/locale';
import { MatchLine } from '../../tickets/match-line';
import { refundOfPayment } from '../../tickets/view';
import { Button, ButtonLink } from '../../ui/button';
import { Countdown } from '../../ui/countdown-view';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import { useOnline } from '../../ui/online';
import { Bought } from './bought';
import { GiveBack } from './give-back';
import { PayForm } from './pay-form';
import { RefusedNotice } from './refused-notice';
import { Summary } from './summary';

export function CheckoutPage({ id }: { readonly id: string }): ReactNode {
  const { checkout, controller } = useCheckout(id);
  if (checkout.kind === 'loading') return <Loading />;
  if (checkout.kind === 'closed') return <Closed checkout={checkout} retry={controller.look} />;
  if (checkout.kind === 'away') return <Away checkout={checkout} retry={controller.look} />;
  return <ShownPage checkout={checkout} controller={controller} />;
}

function Loading(): ReactNode {
  const t = useText('pages');
  return (
    <>
      <h1>{t('reservation')}</h1>
      <Spinner />
    </>
  );
}

function Closed({
  checkout: { problem },
  retry,
}: {
  readonly checkout: Extract<Checkout, { kind: 'closed' }>;
  readonly retry: () => void;
}): ReactNode {
  const t = useText('checkout');
  const isMissing = problem.code === 'not_found';
  return (
    <div className="content-narrow stack">
      <h1>{isMissing ? t('missingTitle') : t('closedTitle')}</h1>
      <p>{isMissing ? t('missingBody') : t('closedBody')}</p>
      <div className="row">
        <ButtonLink to={`/login?next=${encodeURIComponent(location.pathname)}`}>{t('logIn')}</ButtonLink>
        <ButtonLink to="/lookup" look="secondary">
          {t('lookUp')}
        </ButtonLink>
        <Button look="quiet" onClick={retry}>
          {t('lookAgain')}
        </Button>
      </div>
    </div>
  );
}

function Away({
  checkout: { problem },
  retry,
}: {
  readonly checkout: Extract<Checkout, { kind: 'away' }>;
  readonly retry: () => void;
}): ReactNode {
  const t = useText('checkout');
  return (
    <div className="content-narrow stack">
      <h1>{t('awayTitle')}</h1>
      <p>{t('awayBody')}</p>
      <ErrorPanel problem={problem} retry={retry} />
    </div>
  );
}

interface ScreenProps<K extends Shown['kind'] = Shown['kind']> {
  readonly checkout: Extract<Shown, { kind: K }>;
  readonly controller: CheckoutController;
}

function ShownPage({ checkout, controller }: ScreenProps): ReactNode {
  const { reservation, payment } = checkout;
  return (
    <div className="checkout">
      <div className="checkout-main stack">
        <Heading checkout={checkout} />
        <Connection checkout={checkout} />
        <Screen checkout={checkout} controller={controller} />
      </div>
      <Summary reservation={reservation} payment={payment} />
    </div>
  );
}

/** The heading of a new state takes the focus: what was focused before may be gone, and it says what is true now. */
function Heading({ checkout }: { readonly checkout: Shown }): ReactNode {
  const t = useText('checkout');
  const kind = shownKind(checkout);
  const heading = useRef<HTMLHeadingElement>(null);
  const before = useRef(kind);
  useEffect(() => {
    if (before.current === kind) return;
    before.current = kind;
    heading.current?.focus({ preventScroll: true });
    heading.current?.scrollIntoView({ block: 'nearest' });
  }, [kind]);
  return (
    <div className="stack checkout-heading">
      <h1 ref={heading} tabIndex={-1}>
        {t(`titles.${kind}`)}
      </h1>
      <p className="checkout-match">
        <MatchLine matchNumber={checkout.reservation.matchNumber} />
      </p>
    </div>
  );
}

/** Nothing is claimed while it cannot be known: what is shown is what was true when the server was heard last. */
function Connection({ checkout }: { readonly checkout: Shown }): ReactNode {
  const t = useText('checkout');
  const isOnline = useOnline();
  if (!isOnline) {
    return (
      <Notice tone="warn" title={t('offlineTitle')} isUrgent>
        <p>
          {t(
            checkout.kind === 'sending' || shownKind(checkout) === 'unknown'
              ? 'offlinePaying'
              : 'offlineBody',
          )}
        </p>
      </Notice>
    );
  }
  return checkout.isStale ? <Notice tone="warn">{<p>{t('stale')}</p>}</Notice> : null;
}

function Screen({ checkout, controller }: ScreenProps): ReactNode {
  switch (checkout.kind) {
    case 'held':
      return <Held checkout={checkout} controller={controller} />;
    case 'retry':
      return <Retry checkout={checkout} controller={controller} />;
    case 'ending':
      return <Waited text="endingBody" />;
    case 'sending':
      if (checkout.isRepeat) return <Unknown asked="pay" controller={controller} />;
      return <Sending checkout={checkout} />;
    case 'authenticating':
      return <Authenticating checkout={checkout} controller={controller} />;
    case 'paying':
      return <Paying checkout={checkout} controller={controller} />;
    case 'cancelling':
      if (checkout.isRepeat) return <Unknown asked="cancel" controller={controller} />;
      return <Waited text="cancellingBody" />;
    case 'unknown':
      return <Unknown asked={checkout.asked} controller={controller} />;
    case 'reserved':
      return (
        <>
          <RefusedNotice checkout={checkout} />
          <Bought reservation={checkout.reservation} payment={checkout.payment} onChanged={controller.look} />
        </>
      );
    case 'cancelled':
    case 'expired':
      return <Ended checkout={checkout} />;
    case 'refunded':
      return <Refunded checkout={checkout} />;
  }
}

function Held({ checkout, controller }: ScreenProps<'held'>): ReactNode {
  const t = useText('checkout');
  const { reservation } = checkout;
  return (
    <>
      <Card className="checkout-clock">
        <Countdown endsAt={Date.parse(reservation.expiresAt)} />
        <p className="soft">{t('heldBody')}</p>
      </Card>
      <RefusedNotice checkout={checkout} />
      <PayForm checkout={checkout} onPay={controller.pay} putOff={controller.putOff} />
      <GiveBack onConfirm={controller.cancel} />
    </>
  );
}

function Retry({ checkout, controller }: ScreenProps<'retry'>): ReactNode {
  const t = useText('checkout');
  const { reservation } = checkout;
  return (
    <>
      <RefusedNotice checkout={checkout} />
      <Card className="checkout-clock">
        <Countdown endsAt={Date.parse(reservation.expiresAt)} />
        <p className="soft">{t('retryBody')}</p>
      </Card>
      <PayForm checkout={checkout} onPay={controller.pay} putOff={controller.putOff} />
      <p>
        <ButtonLink look="quiet" to={`/matches/${reservation.matchNumber}`}>
          {t('otherTickets')}
        </ButtonLink>
      </p>
    </>
  );
}

function Waited({ text }: { readonly text: 'endingBody' | 'cancellingBody' }): ReactNode {
  const t = useText('checkout');
  return (
    <Card>
      <Spinner label={t(text)} />
    </Card>
  );
}

function Sending({
  checkout: { step },
}: {
  readonly checkout: Extract<Shown, { kind: 'sending' }>;
}): ReactNode {
  const t = useText('checkout');
  return (
    <Card>
      <Spinner label={t(`steps.${step}`)} />
      <p className="soft centered">{t('sendingBody')}</p>
    </Card>
  );
}

function Authenticating({ checkout, controller }: ScreenProps<'authenticating'>): ReactNode {
  const t = useText('checkout');
  return (
    <Card className="stack">
      <p>{t('authenticatingBody')}</p>
      <div className="row">
        <Button onClick={controller.goToBank}>{t('toBank')}</Button>
        <Button look="secondary" onClick={controller.finish}>
          {t('bankDone')}
        </Button>
      </div>
      <p className="soft">{checkout.action.url === undefined ? t('bankHere') : t('bankThere')}</p>
      <GiveBack onConfirm={controller.cancel} isPaying />
    </Card>
  );
}

function Paying({ checkout, controller }: ScreenProps<'paying'>): ReactNode {
  const t = useText('checkout');
  return (
    <>
      <RefusedNotice checkout={checkout} />
      <Card className="stack">
        <Spinner label={t('payingWait')} />
        <p>{t('payingBody')}</p>
        <div className="row">
          <Button look="secondary" onClick={controller.look}>
            {t('lookAgain')}
          </Button>
        </div>
        <GiveBack onConfirm={controller.cancel} isPaying />
      </Card>
    </>
  );
}

function Unknown(props: {
  readonly asked: 'pay' | 'cancel';
  readonly controller: CheckoutController;
}): ReactNode {
  const { asked, controller } = props;
  const t = useText('checkout');
  return (
    <Card className="stack">
      <Spinner label={t('unknownWait')} />
      <p>{t(asked === 'pay' ? 'unknownPay' : 'unknownCancel')}</p>
      <div className="row">
        <Button look="secondary" onClick={controller.look}>
          {t('askNow')}
        </Button>
      </div>
    </Card>
  );
}

function Ended({
  checkout,
}: {
  readonly checkout: Extract<Shown, { kind: 'cancelled' | 'expired' }>;
}): ReactNode {
  const t = useText('checkout');
  const { reservation, payment } = checkout;
  return (
    <>
      <RefusedNotice checkout={checkout} />
      <Card className="stack">
        <p>{t(endedText(checkout))}</p>
        {payment?.late === 'refunded' && <Money reservation={reservation} checkout={checkout} />}
        {isBeingDecided(checkout) && <Spinner label={t('lateWait')} />}
        <div className="row">
          <ButtonLink to={`/matches/${reservation.matchNumber}`}>{t('holdAgain')}</ButtonLink>
          <ButtonLink to="/tickets" look="secondary">
            {t('toTickets')}
          </ButtonLink>
        </div>
      </Card>
    </>
  );
}

const ENDING_TEXTS = {
  late: 'lateBody',
  late_refunded: 'lateRefundedBody',
  open: 'openBody',
  charged_back: 'chargedBackBody',
} as const satisfies Record<Exclude<Ending, 'not_charged'>, string>;

/** Whether anything was charged is said only as far as it is known. */
function endedText(
  checkout: Extract<Shown, { kind: 'cancelled' | 'expired' }>,
): 'cancelledBody' | 'expiredBody' | (typeof ENDING_TEXTS)[keyof typeof ENDING_TEXTS] {
  const ending = endingOf(checkout);
  if (ending !== 'not_charged') return ENDING_TEXTS[ending];
  return checkout.kind === 'cancelled' ? 'cancelledBody' : 'expiredBody';
}

function Refunded({ checkout }: { readonly checkout: Extract<Shown, { kind: 'refunded' }> }): ReactNode {
  const t = useText('checkout');
  const { reservation } = checkout;
  return (
    <>
      <RefusedNotice checkout={checkout} />
      <Card className="stack">
        <p>{t('refundedBody')}</p>
        <Money reservation={reservation} checkout={checkout} />
        <div className="row">
          <ButtonLink to={`/matches/${reservation.matchNumber}`}>{t('holdAgain')}</ButtonLink>
          <ButtonLink to="/tickets" look="secondary">
            {t('toTickets')}
          </ButtonLink>
        </div>
      </Card>
    </>
  );
}

/** What became of the money. */
function Money({
  reservation,
  checkout: { payment },
}: {
  readonly reservation: Shown['reservation'];
  readonly checkout: Shown;
}): ReactNode {
  const t = useText('refund');
  const { format } = useLocale();
  const truth = refundOfPayment(reservation, payment);
  if (!truth) return null;
  if (truth.kind === 'pending') return <p>{t('truthPending')}</p>;
  return (
    <p suppressHydrationWarning>
      {t(truth.kind === 'sent' ? 'truthSent' : 'truthPartly', {
        amount: format.money(truth.amount, reservation.currency),
      })}
    </p>
  );
}
