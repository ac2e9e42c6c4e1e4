// How a file's state is drawn: as what it means, and where that says too little, as what it is.
import type { FileState } from '../../api/generated/control';
import type { IconName } from '../../components/icons';
import { meaningOfFile } from '../../format/folder';

export function iconOfFile(state: FileState): IconName {
  switch (state) {
    case 'left-out':
      return 'left_out';
    case 'waiting':
      return 'waiting';
    case 'only-here':
      return 'laptop';
    default:
      return meaningOfFile(state);
  }
}
