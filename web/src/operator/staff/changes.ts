/** What an operator can do with an account. Pure. */
import type { StaffAccount } from './types';

export const CHANGES = [
  'makeOperator',
  'takeOperator',
  'makeSteward',
  'takeSteward',
  'disable',
  'enable',
  'resetSecondFactor',
] as const;
export type Change = (typeof CHANGES)[number];

/** Of `PATCH /api/v1/users/{id}`. */
export const BODIES: Readonly<Record<Change, Readonly<Record<string, boolean>>>> = {
  makeOperator: { operator: true },
  takeOperator: { operator: false },
  makeSteward: { steward: true },
  takeSteward: { steward: false },
  disable: { disabled: true },
  enable: { disabled: false },
  resetSecondFactor: { resetSecondFactor: true },
};

/** Those that give power or take an account away: its address is typed to confirm them. */
const GRAVE: ReadonlySet<Change> = new Set(['makeOperator', 'disable', 'resetSecondFactor']);
export const isGrave = (change: Change): boolean => GRAVE.has(change);

/** What would change something. */
export function changesOf({ roles, disabledAt, deletedAt, secondFactor }: StaffAccount): readonly Change[] {
  if (deletedAt !== undefined) return [];
  const isOperator = roles.includes('operator');
  const isSteward = roles.includes('steward');
  const isDisabled = disabledAt !== undefined;
  return CHANGES.filter((change) => {
    switch (change) {
      case 'makeOperator':
        return !isOperator;
      case 'takeOperator':
        return isOperator;
      case 'makeSteward':
        return !isSteward;
      case 'takeSteward':
        return isSteward;
      case 'disable':
        return !isDisabled;
      case 'enable':
        return isDisabled;
      case 'resetSecondFactor':
        return secondFactor;
    }
  });
}
