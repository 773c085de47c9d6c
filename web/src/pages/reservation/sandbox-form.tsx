/** The sandbox's card form. Its test cards are offered; nothing here fills in a real card by itself. */
import { useState, type SyntheticEvent, type ReactNode } from 'react';
import { serverClock } from '../../api';
import {
  cardOf,
  futureExpiry,
  groupedNumber,
  OFFERED_CARDS,
  wrongFields,
  type CardField,
  type CardForm,
} from '../../checkout/cards';
import { useText } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Field } from '../../ui/field';
import { Card, Notice } from '../../ui/panels';
import type { FormProps } from './pay-form';

const EMPTY: CardForm = { number: '', month: '', year: '', cvc: '' };

export function SandboxForm({ submitLabel, obstacle, onPay }: FormProps): ReactNode {
  const t = useText('card');
  const [form, setForm] = useState(EMPTY);
  const [wrong, setWrong] = useState<readonly CardField[]>([]);
  const change = (part: Partial<CardForm>): void => {
    setForm((before) => ({ ...before, ...part }));
    setWrong((before) => before.filter((field) => !(field in part)));
  };
  const submit = (event: SyntheticEvent<HTMLFormElement>): void => {
    event.preventDefault();
    if (obstacle !== null) return;
    const fields = wrongFields(form);
    setWrong(fields);
    if (fields.length === 0) onPay(cardOf(form));
    else event.currentTarget.querySelector<HTMLInputElement>(`[name="${fields[0] ?? ''}"]`)?.focus();
  };
  const field = (name: CardField, hint?: string) => ({
    name,
    label: t(name),
    value: form[name],
    inputMode: 'numeric' as const,
    // Not the browser's saved cards: they are real.
    autoComplete: 'off',
    dir: 'ltr' as const,
    required: true,
    error: wrong.includes(name) ? t(`wrong.${name}`) : undefined,
    ...(hint !== undefined && { hint }),
  });
  return (
    <Card className="stack">
      <Notice tone="info" title={t('sandboxTitle')}>
        <p>{t('sandboxBody')}</p>
      </Notice>
      <fieldset className="test-cards">
        <legend>{t('testCards')}</legend>
        {OFFERED_CARDS.map(({ id, number }) => (
          <button
            key={id}
            type="button"
            className="test-card"
            aria-pressed={form.number.replace(/ /g, '') === number}
            onClick={() =>
              change({ number: groupedNumber(number), cvc: '123', ...futureExpiry(serverClock.now()) })
            }
          >
            <span>{t(`offered.${id}`)}</span>
            <bdi className="soft mono" dir="ltr">
              {`•••• ${number.slice(-4)}`}
            </bdi>
          </button>
        ))}
      </fieldset>
      <form className="stack" noValidate onSubmit={submit}>
        <Field
          {...field('number', t('numberHint'))}
          maxLength={30}
          placeholder="4242 4242 4242 4242"
          onChange={(event) => change({ number: groupedNumber(event.target.value) })}
        />
        <div className="card-fields">
          <Field
            {...field('month')}
            maxLength={2}
            placeholder="12"
            onChange={(event) => change({ month: event.target.value })}
          />
          <Field
            {...field('year')}
            maxLength={4}
            placeholder="2030"
            onChange={(event) => change({ year: event.target.value })}
          />
          <Field
            {...field('cvc')}
            maxLength={4}
            placeholder="123"
            onChange={(event) => change({ cvc: event.target.value })}
          />
        </div>
        <Button type="submit" className="wide" disabled={obstacle !== null}>
          {submitLabel}
        </Button>
        {obstacle !== null && <p className="soft">{obstacle}</p>}
        <p className="soft small">{t('onceOnly')}</p>
      </form>
    </Card>
  );
}
