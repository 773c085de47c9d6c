/** What is bought, and what it costs. */
import type { ReactNode } from 'react';
import type { Reservation } from '../../api/types';
import { majorOf, type PaymentState } from '../../checkout/types';
import { useText } from '../../i18n/locale';
import { useMatchOf } from '../../tickets/match-line';
import { MatchNoticeBadge } from '../../ui/match-notice';
import { Card } from '../../ui/panels';
import { Money } from '../../ui/time';

export function Summary(props: {
  readonly reservation: Reservation;
  readonly payment: PaymentState | null;
}): ReactNode {
  const { reservation, payment } = props;
  const { id, matchNumber, category, quantity, unitPrice, currency, email } = reservation;
  const t = useText('summary');
  const { match, when, where } = useMatchOf(matchNumber);
  return (
    <aside className="checkout-aside" aria-label={t('label')}>
      <Card className="stack">
        <h2>
          {t('label')} {match && <MatchNoticeBadge match={match} />}
        </h2>
        <dl className="facts">
          {when !== null && <Fact name={t('when')}>{when}</Fact>}
          {where !== null && <Fact name={t('where')}>{where}</Fact>}
          <Fact name={t('category')}>{t('categoryValue', { category })}</Fact>
          <Fact name={t('quantity')}>{t('tickets', { count: quantity })}</Fact>
          <Fact name={t('price')}>
            <Money amount={unitPrice} currency={currency} />
          </Fact>
          <Fact name={t('total')} isTotal>
            <Money
              amount={payment ? majorOf(payment.amountMinor, payment.currency) : quantity * unitPrice}
              currency={currency}
            />
          </Fact>
          {payment && payment.tax.amountMinor > 0 && (
            <Fact name={t('tax', { name: payment.tax.name, percent: payment.tax.percent })}>
              <Money amount={majorOf(payment.tax.amountMinor, payment.currency)} currency={currency} />
            </Fact>
          )}
          {payment && payment.refundedMinor > 0 && (
            <Fact name={t('refunded')}>
              <Money amount={majorOf(payment.refundedMinor, payment.currency)} currency={currency} />
            </Fact>
          )}
        </dl>
        <p className="soft small">{payment ? t('taxContained') : t('noFees')}</p>
        <dl className="facts small">
          <Fact name={t('email')}>
            <bdi className="breakable">{email}</bdi>
          </Fact>
          <Fact name={t('id')}>
            <bdi className="breakable mono">{id}</bdi>
          </Fact>
        </dl>
      </Card>
    </aside>
  );
}

function Fact(props: {
  readonly name: string;
  readonly isTotal?: boolean;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <div className={props.isTotal === true ? 'fact fact-total' : 'fact'}>
      <dt>{props.name}</dt>
      <dd>{props.children}</dd>
    </div>
  );
}
