/** The waiting room as operators see and steer it. */
import { useState, type ReactNode } from 'react';
import { useForm } from '../../account/use-form';
import { serverClock } from '../../api';
import { useOperatorText } from '../../i18n/operator';
import { Button } from '../../ui/button';
import { Field, Select } from '../../ui/field';
import { NumberField } from '../ui/number-field';
import { Badge, type BadgeTone } from '../../ui/panels';
import { useToast } from '../../ui/toast';
import { useRead, useReadAnew } from '../data';
import { useFigures } from '../figures';
import { localOf } from '../matches/data';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { PageTitle } from '../ui/page-title';
import { Section } from '../ui/section';
import { ServerWords } from '../ui/server-words';
import { Tile, Tiles } from '../ui/tiles';
import {
  losesPlaces,
  MODES,
  room,
  ROOM_EVERY_MS,
  roomOrderFrom,
  setRoom,
  type RoomFault,
  type RoomForm,
  type RoomOrder,
  type RoomStanding,
} from './data';

export default function RoomPage(): ReactNode {
  const t = useOperatorText('room');
  const read = useRead<RoomStanding>(room, { everyMs: ROOM_EVERY_MS });
  const { data } = read;
  return (
    <div className="stack">
      <PageTitle title={t('title')}>{data && <StateBadge state={data.state} />}</PageTitle>
      <Section title={t('now')} about={t('about')} read={read}>
        {data && <Now standing={data} />}
      </Section>
      <Section title={t('steer')}>{data && <Steer key={keyOf(data)} standing={data} />}</Section>
    </div>
  );
}

/** What somebody else set is taken over by the form; figures that change are not. */
const keyOf = ({ mode, opensAt, perMinuteMax }: RoomStanding): string => [mode, opensAt, perMinuteMax].join();

const TONES = { off: 'plain', before: 'wait', open: 'warn' } as const satisfies Record<
  RoomStanding['state'],
  BadgeTone
>;

function StateBadge({ state }: { readonly state: RoomStanding['state'] }): ReactNode {
  const t = useOperatorText('room');
  return <Badge tone={TONES[state]}>{t(`states.${state}`)}</Badge>;
}

function Now({ standing }: { readonly standing: RoomStanding }): ReactNode {
  const t = useOperatorText('room');
  const { number, stamp } = useFigures();
  const { mode, opensAt, perMinute, perMinuteMax, waiting, admitted, inside, why } = standing;
  return (
    <>
      <Tiles>
        <Tile
          name={t('mode')}
          note={opensAt === undefined ? undefined : t('opensAt', { time: stamp(opensAt) })}
        >
          {t(`modes.${mode}`)}
        </Tile>
        <Tile name={t('waiting')}>{number(waiting)}</Tile>
        <Tile
          name={t('perMinute')}
          note={perMinuteMax === null ? t('maxAsSet') : t('maxIs', { max: number(perMinuteMax) })}
        >
          {number(perMinute)}
        </Tile>
        <Tile name={t('admitted')}>{number(admitted)}</Tile>
        <Tile name={t('inside')} note={t('insideNote')}>
          {number(inside)}
        </Tile>
      </Tiles>
      {why !== '' && <ServerWords>{why}</ServerWords>}
    </>
  );
}

const ownZone = (): string => new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The field that each fault is about. */
const FIELDS = {
  opens: 'opensLocal',
  past: 'opensLocal',
  per_minute: 'perMinuteMax',
} as const satisfies Record<RoomFault, keyof RoomForm>;
type FieldName = (typeof FIELDS)[RoomFault];

function Steer({ standing }: { readonly standing: RoomStanding }): ReactNode {
  const t = useOperatorText('room');
  const form = useForm<FieldName>();
  const [timeZone] = useState(ownZone);
  const { mode, opensAt, perMinuteMax } = standing;
  const [filled, setFilled] = useState<RoomForm>({
    mode,
    opensLocal: opensAt === undefined ? '' : localOf(opensAt, timeZone),
    perMinuteMax: perMinuteMax === null ? '' : String(perMinuteMax),
  });
  const [asked, setAsked] = useState<RoomOrder | null>(null);
  const result = roomOrderFrom(filled, { timeZone, now: serverClock.now() });
  const faults = 'faults' in result ? result.faults : [];
  const errorOf = (field: FieldName): string | undefined => {
    const fault = form.wrong.has(field) && faults.find((one) => FIELDS[one] === field);
    return fault ? t(`faults.${fault}`) : undefined;
  };
  const change = (next: Partial<RoomForm>): void => {
    setFilled({ ...filled, ...next });
    form.clear();
  };
  const ask = async (): Promise<void> => {
    if ('order' in result) setAsked(result.order);
  };
  return (
    <>
      <form
        className="stack"
        noValidate
        onSubmit={(event) => form.submit(event, [...new Set(faults.map((fault) => FIELDS[fault]))], ask)}
      >
        <div className="operator-filters operator-filters-wide">
          <Select
            label={t('mode')}
            hint={t(`modeHints.${filled.mode}`)}
            value={filled.mode}
            onChange={({ target }) => change({ mode: MODES.find((one) => one === target.value) ?? 'auto' })}
          >
            {MODES.map((one) => (
              <option key={one} value={one}>
                {t(`modes.${one}`)}
              </option>
            ))}
          </Select>
          {filled.mode !== 'off' && (
            <Field
              name="opensLocal"
              type="datetime-local"
              label={t('opens')}
              hint={t('opensHint', { zone: timeZone })}
              error={errorOf('opensLocal')}
              value={filled.opensLocal}
              onChange={(event) => change({ opensLocal: event.target.value })}
            />
          )}
          <NumberField
            name="perMinuteMax"
            label={t('max')}
            hint={t('maxHint')}
            error={errorOf('perMinuteMax')}
            maxLength={7}
            value={filled.perMinuteMax}
            onChange={(event) => change({ perMinuteMax: event.target.value })}
          />
        </div>
        <div>
          <Button type="submit">{t('set')}</Button>
        </div>
      </form>
      {asked && <Confirm order={asked} standing={standing} close={() => setAsked(null)} />}
    </>
  );
}

function Confirm(props: {
  readonly order: RoomOrder;
  readonly standing: RoomStanding;
  readonly close: () => void;
}): ReactNode {
  const { order, standing, close } = props;
  const t = useOperatorText('room');
  const { stamp, number } = useFigures();
  const say = useToast();
  const readAnew = useReadAnew();
  const send = async (): Promise<void> => {
    await setRoom(order);
    say(t('wasSet'));
    await readAnew(room.path);
  };
  return (
    <ConfirmDialog
      title={t('confirmTitle')}
      action={t('set')}
      look={losesPlaces(standing, order) ? 'danger' : 'primary'}
      isOpen
      onClose={close}
      onConfirm={send}
    >
      <p>{t(`confirm.${order.mode}`)}</p>
      {order.opensAt !== undefined && <p>{t('confirmOpens', { time: stamp(order.opensAt) })}</p>}
      {order.mode !== 'off' && (
        <p>
          {order.perMinuteMax === undefined
            ? t('maxAsSet')
            : order.perMinuteMax === 0
              ? t('confirmNobody')
              : t('maxIs', { max: number(order.perMinuteMax) })}
        </p>
      )}
      {losesPlaces(standing, order) && (
        <p>
          <strong>
            {order.mode === 'off'
              ? t('endsWaiting', { count: standing.waiting })
              : t('losesPlaces', { count: standing.waiting })}
          </strong>
        </p>
      )}
    </ConfirmDialog>
  );
}
