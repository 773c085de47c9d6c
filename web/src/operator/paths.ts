/** Bull Board, behind the same port as these pages. It has a log-in of its own. */
export const BOARD_PATH = '/admin/queues';
