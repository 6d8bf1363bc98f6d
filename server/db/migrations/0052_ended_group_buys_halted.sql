-- A group buy that has ended may be halted while its teams go on; `ended` is then what it comes back to.

ALTER TABLE sales DROP CONSTRAINT sales_halted_from_check;
ALTER TABLE sales ADD CONSTRAINT sales_halted_from_check CHECK (
    halted_from IN ('armed', 'open', 'sold_out', 'ended')
);
