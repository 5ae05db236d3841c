// The system with a serial flash at its pins: JEDEC commands release and read, SPI mode 0.
//
// The flash holds the file of +flash=FILE from address 0, and 0xFF beyond its end. As the FPGA's
// configuration leaves it, it sleeps; 35 us at 48 MHz after its release it listens.

module flash_board(input clk, input rst, input rx, output tx, output led);
    wire selected, sck, copi, cipo;
    system system(
        .clk(clk), .rst(rst), .rx(rx), .tx(tx), .led(led),
        .flash__selected(selected), .flash__sck(sck), .flash__copi(copi), .flash__cipo(cipo)
    );
    spi_flash flash(.clk(clk), .selected(selected), .sck(sck), .copi(copi), .cipo(cipo));
endmodule

module spi_flash(input clk, input selected, input sck, input copi, output reg cipo);
    localparam SIZE = 1 << 19;
    localparam WAKE_CYCLES = 1680;
    localparam RELEASE = 8'hab, READ = 8'h03;

    reg [7:0] contents [0:SIZE - 1];
    reg [8 * 4096 - 1:0] name;
    integer place, file, count;
    initial begin
        for (place = 0; place < SIZE; place = place + 1) contents[place] = 8'hff;
        if ($value$plusargs("flash=%s", name)) begin
            file = $fopen(name, "rb");
            if (file == 0) begin
                $display("error: cannot read the flash's contents");
                $fatal;
            end
            count = $fread(contents, file);
            $fclose(file);
        end
    end

    reg asleep = 1, waking = 0;
    reg was_selected = 0, was_sck = 0;
    integer waited = 0, bits = 0;
    reg [31:0] command = 0;
    reg [18:0] address = 0;
    reg [2:0] place_in_byte = 0;
    initial cipo = 1;

    always @(posedge clk) begin
        was_selected <= selected;
        was_sck <= sck;
        if (waking) waited <= waited + 1;
        if (waited == WAKE_CYCLES) asleep <= 0;
        if (was_selected && !selected && bits == 8 && command[7:0] == RELEASE) waking <= 1;
        if (!selected) bits <= 0;
        else if (sck && !was_sck) begin
            if (bits < 32) begin
                command <= {command[30:0], copi};
                bits <= bits + 1;
            end
        end else if (!sck && was_sck && bits == 32 && command[31:24] == READ && !asleep) begin
            cipo <= contents[address][7 - place_in_byte];
            place_in_byte <= place_in_byte + 1;
            if (place_in_byte == 7) address <= address + 1;
        end
        if (bits == 31 && sck && !was_sck) begin
            address <= {command[17:0], copi};
            place_in_byte <= 0;
        end
    end
endmodule
