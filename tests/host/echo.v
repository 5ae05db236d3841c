// A stand-in for the board's top level: every byte received on rx goes out on tx, plus one.
// 48 MHz clock, 3 Mbaud: 16 clocks a bit.
module system (input clk, input rst, input rx, output tx, output led);
    reg [7:0] rx_count = 0, tx_count = 0;
    reg [3:0] rx_bit = 0, tx_bit = 0;
    reg rx_busy = 0, tx_busy = 0;
    reg [7:0] rx_data = 0;
    reg [9:0] tx_frame = 10'h3ff;
    reg [7:0] waiting = 0;
    reg have = 0;
    assign tx = tx_busy ? tx_frame[0] : 1'b1;
    assign led = tx_busy;
    always @(posedge clk) begin
        if (!rx_busy) begin
            if (!rx) begin rx_busy <= 1; rx_count <= 23; rx_bit <= 0; end
        end else if (rx_count != 0) rx_count <= rx_count - 1;
        else begin
            rx_count <= 15;
            rx_bit <= rx_bit + 1;
            if (rx_bit == 8) begin
                rx_busy <= 0; waiting <= rx_data + 1; have <= 1;
            end else rx_data <= {rx, rx_data[7:1]};
        end
        if (!tx_busy) begin
            if (have) begin
                tx_busy <= 1; tx_frame <= {1'b1, waiting, 1'b0}; tx_count <= 15; tx_bit <= 0;
                have <= 0;
            end
        end else if (tx_count != 0) tx_count <= tx_count - 1;
        else begin
            tx_count <= 15;
            tx_frame <= {1'b1, tx_frame[9:1]};
            tx_bit <= tx_bit + 1;
            if (tx_bit == 9) begin
                // No gap between two bytes: what comes in at the line's rate goes out at it.
                if (have) begin tx_frame <= {1'b1, waiting, 1'b0}; tx_bit <= 0; have <= 0; end
                else tx_busy <= 0;
            end
        end
        if (rst) begin rx_busy <= 0; tx_busy <= 0; have <= 0; end
    end
endmodule
