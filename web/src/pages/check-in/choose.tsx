/** Which match, which gate, which device. */
import { useState, type ReactNode } from 'react';
import { ApiProblem } from '../../api/problem';
import { ListFault, type ListFaultKind } from '../../check-in/list';
import type { GateMatch } from '../../check-in/remote';
import {
  DEVICE_CHARS_MAX,
  GATE_CHARS_MAX,
  isName,
  orderOf,
  type Snapshot,
  type Station,
} from '../../check-in/station';
import { timeZoneOf } from '../../data/stadiums';
import { useCheckInText } from '../../i18n/check-in';
import { useLocale } from '../../i18n/locale';
import { Button } from '../../ui/button';
import { Field, Select } from '../../ui/field';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import { Spinner } from '../../ui/spinner';
import { ListFaultText } from './list-card';

interface Errors {
  readonly match?: string;
  readonly gate?: string;
  readonly device?: string;
}

export function Choose(props: { readonly station: Station; readonly snapshot: Snapshot }): ReactNode {
  const { station, snapshot } = props;
  const t = useCheckInText('choose');
  const { matches, matchesProblem, post, device, link, listed } = snapshot;
  const [now] = useState(() => Date.now());
  const { today, others } = orderOf(matches, now);
  const [chosen, setChosen] = useState<number | null>(post?.matchNumber ?? null);
  const [gate, setGate] = useState(post?.gate ?? '');
  const [name, setName] = useState(device?.name ?? '');
  const [errors, setErrors] = useState<Errors>({});
  const [failure, setFailure] = useState<ApiProblem | ListFaultKind | null>(null);
  const [isBusy, setBusy] = useState(false);
  const isListed = (matchNumber: number): boolean => listed.includes(matchNumber);
  const matchNumber = chosen ?? (today[0] ?? others[0])?.matchNumber ?? null;

  const check = (): Errors => ({
    ...(matchNumber === null && { match: t('matchMissing') }),
    ...(matchNumber !== null &&
      link.kind === 'offline' &&
      !isListed(matchNumber) && { match: t('matchUnlisted') }),
    ...nameError('gate', gate),
    ...nameError('device', name),
  });
  const nameError = (field: 'gate' | 'device', value: string): Errors => {
    if (value.trim() === '') return { [field]: t(`${field}Missing`) };
    return isName(value.trim()) ? {} : { [field]: t('nameInvalid') };
  };
  const submit = async (): Promise<void> => {
    const found = check();
    setErrors(found);
    setFailure(null);
    if (Object.keys(found).length > 0 || matchNumber === null) return;
    setBusy(true);
    // So that the browser does not make room with what the gate needs.
    void (navigator as Partial<Navigator>).storage?.persist().catch(() => false);
    try {
      await station.choose({ matchNumber, gate: gate.trim() }, name.trim());
    } catch (error) {
      setFailure(error instanceof ListFault ? error.kind : asKnown(error));
    } finally {
      setBusy(false);
    }
  };
  if (matches.length === 0) {
    if (matchesProblem) return <ErrorPanel problem={matchesProblem} retry={() => station.wake()} />;
    return link.kind === 'offline' ? <Notice tone="warn" title={t('noMatches')} /> : <Spinner />;
  }
  return (
    <Card className="stack content-narrow">
      <h1>{t('title')}</h1>
      <form
        className="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Select
          label={t('match')}
          error={errors.match}
          value={matchNumber ?? ''}
          onChange={(event) => setChosen(Number(event.target.value))}
        >
          <Options label={t('today')} matches={today} isListed={link.kind === 'online' ? null : isListed} />
          <Options label={t('others')} matches={others} isListed={link.kind === 'online' ? null : isListed} />
        </Select>
        <Field
          label={t('gate')}
          hint={t('gateHint')}
          error={errors.gate}
          value={gate}
          maxLength={GATE_CHARS_MAX}
          autoComplete="off"
          required
          onChange={(event) => setGate(event.target.value)}
        />
        <Field
          label={t('device')}
          hint={t('deviceHint')}
          error={errors.device}
          value={name}
          maxLength={DEVICE_CHARS_MAX}
          autoComplete="off"
          required
          onChange={(event) => setName(event.target.value)}
        />
        {failure instanceof ApiProblem && <ErrorPanel problem={failure} />}
        {typeof failure === 'string' && (
          <div role="alert">
            <ListFaultText fault={failure} />
          </div>
        )}
        <Button type="submit" isBusy={isBusy}>
          {t('submit')}
        </Button>
      </form>
    </Card>
  );
}

const asKnown = (error: unknown): ApiProblem =>
  error instanceof ApiProblem ? error : new ApiProblem('bad_answer', { detail: String(error) });

function Options(props: {
  readonly label: string;
  readonly matches: readonly GateMatch[];
  /** Null where every match can be chosen. */
  readonly isListed: ((matchNumber: number) => boolean) | null;
}): ReactNode {
  const { label, matches, isListed } = props;
  const t = useCheckInText('choose');
  const { format, nameOf } = useLocale();
  const nameOfMatch = ({ homeTeam, awayTeam, dateUtc, location, state }: GateMatch): string => {
    const moment = format.moment(dateUtc, timeZoneOf(location));
    const match = t('matchOption', { home: nameOf(homeTeam), away: nameOf(awayTeam), moment });
    return state === 'cancelled' ? t('cancelled', { match }) : match;
  };
  if (matches.length === 0) return null;
  return (
    <optgroup label={label}>
      {matches.map((match) => {
        const can = isListed === null || isListed(match.matchNumber);
        const name = nameOfMatch(match);
        return (
          <option key={match.matchNumber} value={match.matchNumber} disabled={!can}>
            {can ? name : t('noList', { match: name })}
          </option>
        );
      })}
    </optgroup>
  );
}
