-- Money that a provider took beyond what an order costs, of what was granted, goes back by itself: a
-- refund of the payment and none of the order.
ALTER TABLE refunds DROP CONSTRAINT refunds_origin_check,
    ADD CONSTRAINT refunds_origin_check CHECK (origin IN ('person', 'late', 'excess'));
-- Once a payment, whoever reports it.
CREATE UNIQUE INDEX refunds_one_excess ON refunds (payment_id) WHERE origin = 'excess';
