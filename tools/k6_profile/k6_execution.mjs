// What a script imports from 'k6/execution': the number of the iteration.
import { world } from './world.mjs';

export default {
    scenario: {
        get iterationInTest() {
            if (world.iteration === null) {
                throw new Error('exec.scenario.iterationInTest outside an iteration');
            }
            return world.iteration;
        },
    },
};
