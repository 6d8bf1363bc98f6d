// @ts-check
/**
 * The room page: wires the line, the model, the card, the chat and the bag together.
 *
 * Invariant: frames change the model, the model and the clock are drawn, events of elements become acts; no other way.
 */
import '../components/live-bag/live-bag.js';
import '../components/live-banner/live-banner.js';
import '../components/live-chat-list/live-chat-list.js';
import '../components/live-checkout/live-checkout.js';
import '../components/live-composer/live-composer.js';
import '../components/live-draw-proof/live-draw-proof.js';
import '../components/live-drop/live-drop.js';
import '../components/live-group-buy/live-group-buy.js';
import '../components/live-hearts/live-hearts.js';
import '../components/live-hold-ring/live-hold-ring.js';
import '../components/live-receipt/live-receipt.js';
import '../components/live-sale-card/live-sale-card.js';
import '../components/live-second-chance/live-second-chance.js';
import '../components/live-sheet/live-sheet.js';
import '../components/live-sign-in/live-sign-in.js';
import '../components/live-stock-bar/live-stock-bar.js';
import '../components/live-teams/live-teams.js';
import { RoomPage } from './room/page.js';

void new RoomPage().start();
